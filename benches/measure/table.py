"""Medians of slices, paired ratios, and the tables that show them."""

from statistics import median

REFERENCE = "haproxy"
# Above this share of the proxy's core used by others, absolute numbers are not to be trusted.
DISTURBED = 0.15

HEAD = (
    "| case | proxy | CPU µs/request (user + sys) | ratio to HAProxy [range] | requests/s | p50 µs | p99 µs | core |"
    " others | target |\n|-|-|-|-|-|-|-|-|-|-|"
)
IDLE_HEAD = "| case | proxy | connections | KiB per idle TLS connection | ratio to HAProxy | target |\n|-|-|-|-|-|-|"


def summary(case, results, errors):
    """Everything about a case as plain data, for the JSON file and for the tables."""
    made = {"case": case.key, "title": case.title, "load": case.load, "connections": case.connections}
    made |= {"vallum_target": case.target, "errors": errors, "proxies": {}}
    for name, found in results.items():
        one = idle_row(found, results) if case.load == "idle" else row(found, results.get(REFERENCE))
        if name == "vallum":
            value = one["kib"] if case.load == "idle" else (one["ratio"] or {}).get("median")
            one["meets_target"] = None if value is None else value <= case.target
        made["proxies"][name] = one
    return made


def row(slices, reference):
    made = {key: median(one[key] for one in slices) for key in ("cpu_us", "user_share", "core", "others", "p50_us", "p99_us")}
    made["requests_per_second"] = median(one["requests"] / one["seconds"] for one in slices)
    made["cpu_us_min"] = min(one["cpu_us"] for one in slices)
    made["ratio"] = paired(slices, reference)
    made["slices"] = slices
    return made


def paired(slices, reference):
    """The median of the ratios within each repetition: what disturbs a repetition disturbs both sides of its ratio."""
    by_repetition = {one["repetition"]: one["cpu_us"] for one in reference or []}
    ratios = [one["cpu_us"] / by_repetition[one["repetition"]] for one in slices if one["repetition"] in by_repetition]
    return {"median": median(ratios), "low": min(ratios), "high": max(ratios)} if ratios else None


def idle_row(found, results):
    reference = results.get(REFERENCE)
    return found | {"ratio": {"median": found["kib"] / reference["kib"]} if reference and reference["kib"] > 0 else None}


def markdown(summaries):
    """The tables, then what went wrong and what to be careful about."""
    loads = [s for s in summaries if s["load"] != "idle"]
    idle = [s for s in summaries if s["load"] == "idle"]
    parts = []
    if loads:
        parts.append("\n".join([HEAD, *(line for s in loads for line in lines(s))]))
    if idle:
        parts.append("\n".join([IDLE_HEAD, *(line for s in idle for line in idle_lines(s))]))
    notes = [note for s in summaries for note in remarks(s)]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def lines(made):
    for name, one in made["proxies"].items():
        user = one["cpu_us"] * one["user_share"]
        cells = [f"{made['case']} {made['title']}", name]
        cells.append(f"{one['cpu_us']:.2f} ({user:.1f} + {one['cpu_us'] - user:.1f})")
        cells.append(ratio_text(one["ratio"]))
        cells += [f"{one['requests_per_second']:.0f}", f"{one['p50_us']:.0f}", f"{one['p99_us']:.0f}"]
        cells += [f"{one['core']:.2f}", f"{one['others']:.2f}", target_text(made, one)]
        yield f"| {' | '.join(cells)} |"


def idle_lines(made):
    for name, one in made["proxies"].items():
        ratio = f"{one['ratio']['median']:.2f}" if one["ratio"] else "–"
        cells = [f"{made['case']} {made['title']}", name, str(one["connections"]), f"{one['kib']:.1f}", ratio]
        yield f"| {' | '.join([*cells, target_text(made, one)])} |"


def ratio_text(ratio):
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}..{ratio['high']:.2f}]" if ratio else "–"


def target_text(made, one):
    met = one.get("meets_target")
    if met is None:
        return ""
    unit = " KiB" if made["load"] == "idle" else ""
    return f"≤ {made['vallum_target']:g}{unit}: {'met' if met else 'MISSED'}"


def remarks(made):
    for name, error in made["errors"].items():
        yield f"case {made['case']}: {name} was NOT measured: {' '.join(error.split())}"
    if made["load"] != "idle":
        worst = max((one["others"] for one in made["proxies"].values()), default=0)
        if worst > DISTURBED:
            yield f"case {made['case']}: others used up to {worst:.0%} of the proxy's core; trust the ratios alone"
