"""The benchmark harness: real peers, one core each for the proxy and for the rest, interleaved slices, paired ratios."""
