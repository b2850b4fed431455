"""Ray: the only folder that imports it. The session, the size of the pools, the inference graph."""
