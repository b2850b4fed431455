"""Evaluation: the paper's protocol and the measures that go beyond it."""
