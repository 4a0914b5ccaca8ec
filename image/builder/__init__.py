"""Builds the appliance's image. `image/build` is the entry; each module is one step, in the order of `build`."""
