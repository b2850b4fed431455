"""The recogniser: a frozen CLIP image tower, two side networks, a fusion block with text, and the weights file."""
