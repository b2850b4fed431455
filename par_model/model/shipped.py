"""Weights that come with the package. They know only the rendered street; `make demo-weights` makes them anew."""

from __future__ import annotations

from importlib import resources

DEMO = "demo"


def weights_uri(uri: str) -> str:
    """``demo`` as the path of the small weights that ship, wherever this package lies; any other URI as it is."""
    if uri != DEMO:
        return uri
    return str(resources.files("par_model").joinpath("demo", "street.safetensors"))
