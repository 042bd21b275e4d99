"""Colours of the page: themes as CSS variables, so that charts follow the reader's at once."""

from harness.report.charts.chart import Spec
from harness.report.charts.theme import FAINT, GROUND, INK, METHODS, STEPS, Theme, config_of

PAGER = {"light": "#f4f6f8", "dark": "#1d2229"}  # of boxes and table heads
LINK = {"light": "#0057b8", "dark": "#8cc2ff"}


def theme_css() -> str:
    """Return the variables of both themes: the system's, the chosen one, on paper the light one."""
    light, dark = _variables("light"), _variables("dark")
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}"
    )


def _variables(theme: Theme) -> str:
    values = {
        "ground": GROUND[theme],
        "ink": INK[theme],
        "faint": FAINT[theme],
        "box": PAGER[theme],
        "link": LINK[theme],
        **{f"m{number}": colour for number, colour in enumerate(METHODS[theme])},
        **{f"s{number}": colour for number, colour in enumerate(STEPS[theme])},
    }
    return "".join(f"--{name}:{colour};" for name, colour in values.items())


def _page_config() -> Spec:
    """Return the light theme with each colour given as its variable; SVG takes those."""
    names = {INK["light"]: "ink", FAINT["light"]: "faint"}
    config = _renamed(config_of("light"), names)
    config["background"] = None
    config["range"]["category"] = [f"var(--m{number})" for number in range(len(METHODS["light"]))]
    config["range"]["ordinal"] = [f"var(--s{number})" for number in range(len(STEPS["light"]))]
    config["aria"] = False  # each chart has a name, a description and a table instead
    return dict(config)


def _renamed(value: "Spec | list[object] | object", names: dict[str, str]) -> "Spec":
    if isinstance(value, dict):
        return {key: _renamed(one, names) for key, one in value.items()}
    known = names.get(value) if isinstance(value, str) else None
    return f"var(--{known})" if known else value  # type: ignore[return-value]


PAGE_CONFIG = _page_config()
