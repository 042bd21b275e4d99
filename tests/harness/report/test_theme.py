"""Colours are told apart by the colour-blind, and stand out from their ground."""

import itertools

import numpy as np
import pytest

from harness.report.charts.theme import GROUND, INK, METHODS, SHAPES
from harness.report.page.palette import LINK

# Machado, Oliveira and Fernandes 2009, severity 1.0, over linear RGB.
SEEN = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
TO_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                   [0.2119034982, 0.6806995451, 0.1073969566],
                   [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
TO_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                   [1.9779984951, -2.4285922050, 0.4505937099],
                   [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def linear(colour):
    """Return linear RGB (3,) of #rrggbb."""
    part = np.array([int(colour[one : one + 2], 16) for one in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """Return the contrast ratio of WCAG 2, 1 to 21."""
    light, dark = sorted((linear(one) @ (0.2126, 0.7152, 0.0722) for one in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb):
    return TO_LAB @ np.cbrt(TO_LMS @ np.clip(rgb, 0, 1))


def test_contrast_is_that_of_the_standard():
    """Black on white is 21 to 1, a colour on itself 1 to 1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_and_words_stand_out(theme):
    """Marks have 3 to 1 to their ground, words and links 4.5 to 1 (WCAG 2, AA)."""
    assert min(contrast(one, GROUND[theme]) for one in METHODS[theme]) >= 3
    assert contrast(INK[theme], GROUND[theme]) >= 4.5
    assert contrast(LINK[theme], GROUND[theme]) >= 4.5


@pytest.mark.parametrize("sight", SEEN)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_any_two_methods_differ_to_every_eye(theme, sight):
    """No two of the six lie nearer than 0.15 in OKLab; 0.02 is just seen side by side."""
    seen = [oklab(SEEN[sight] @ linear(one)) for one in METHODS[theme]]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert nearest > 0.15


def test_colour_and_shape_together_name_forty_two_methods():
    """Six colours and seven shapes share no divisor: no pair comes twice before 42."""
    pairs = {(n % len(METHODS["light"]), n % len(SHAPES)) for n in range(42)}
    assert len(pairs) == 42
    assert len(METHODS["dark"]) == len(METHODS["light"])
