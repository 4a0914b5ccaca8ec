//! Header fields: which end at a hop, which only we may set.
