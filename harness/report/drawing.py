"""Drawing: specifications -> SVG, PNG, and the JavaScript that draws them in a browser.

vl-convert holds Vega, Vega-Lite and Vega-Embed: one wheel, no network, no browser and no node, so
page and papers are drawn from the same specifications by the same program.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import vl_convert

VEGA_LITE = "6.4"
EXPORTS = "window.vegaEmbed = vegaEmbed;"


def svg(spec: Mapping[str, Any]) -> str:
    """Return a specification drawn as SVG."""
    return str(vl_convert.vegalite_to_svg(dict(spec), vl_version=VEGA_LITE, allowed_base_urls=[]))


def png(spec: Mapping[str, Any], *, pixels_per_inch: float = 300.0) -> bytes:
    """Return a specification drawn as PNG; 72 of its units are one inch."""
    return bytes(
        vl_convert.vegalite_to_png(
            dict(spec), vl_version=VEGA_LITE, ppi=pixels_per_inch, allowed_base_urls=[]
        )
    )


@cache
def javascript() -> str:
    """Return the program that draws in a browser; it defines ``vegaEmbed``."""
    return str(vl_convert.javascript_bundle(EXPORTS, vl_version=VEGA_LITE))
