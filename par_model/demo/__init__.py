"""The demo: a rendered street with ground truth, to try everything on."""
