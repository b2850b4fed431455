"""Labelling by people: which tracklets to label, how their answers become labels, and where labels are likely wrong."""
