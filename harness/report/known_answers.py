"""The table of known answers: published, ours, difference, verdict, and what was done otherwise."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from harness.compare.known_answers import Answer
from harness.compare.setting import setting_key
from harness.record import SELECTED_ON_TEST, Record
from harness.report.numbers import NOTHING
from harness.report.rows import OF_SETTING, ON_TEST, describe_setting
from harness.report.table import Format, csv_of, render_cells

NOT_CHANGED: Mapping[str, str] = MappingProxyType({})
FEWER = "ours learned from the training part alone, without the validation part"
CAPTION = (
    "published: a figure of others; ours: mean over seeds; [95 % interval: over seeds by Student's "
    "t; of one seed over queries, by bootstrap]\n"
    "meets: within the tolerance of the published figure; a better or worse one is outside"
)


def render_known(
    answers: Sequence[Answer],
    form: Format,
    caption: str = "",
    changed: Mapping[str, str] = NOT_CHANGED,
) -> str:
    """Return the table as text; notes say what a source did and what we did otherwise.

    Times are of the fit, and where they were taken stands in the caption. The command that gives a
    row again is a note of it, with what ``changed`` says of it by `setting_key`.
    """
    notes: list[str] = []
    texts = _settings(answers)
    rows = [_cells(one, text, notes, changed) for one, text in zip(answers, texts, strict=True)]
    cells = pd.DataFrame(rows)
    if not any(texts):
        del cells["setting"]
    shown = [*filter(None, (caption,)), CAPTION]
    return render_cells(cells, form, "\n".join(shown), notes, n_left=3 + any(texts))


def known_csv(answers: Sequence[Answer], changed: Mapping[str, str] = NOT_CHANGED) -> str:
    """Return the table as CSV: numbers in full, and a column for each thing that a note says."""
    texts = _settings(answers)
    rows = [_plain(one, text, changed) for one, text in zip(answers, texts, strict=True)]
    return csv_of(pd.DataFrame(rows))


def _settings(answers: Sequence[Answer]) -> list[str]:
    """Return for each answer what tells its point from others of the case."""
    known = [one.point for one in answers if one.point is not None]
    rows = [{name: getattr(one, name) for name in OF_SETTING} for one in known]
    frame = pd.DataFrame(rows, columns=list(OF_SETTING)).assign(seed=0)
    texts = iter(describe_setting(frame, with_load=False))
    return ["" if one.point is None else next(texts) for one in answers]


def _plain(answer: Answer, setting: str, changed: Mapping[str, str]) -> dict[str, Any]:
    figure, (low, high) = answer.figure, answer.interval or (None, None)
    fits = [one.fit_s for one in answer.records if one.fit_s is not None]
    return {
        "method": answer.case if figure is None else figure.method,
        "case": answer.case,
        "setting": setting,
        "metric": answer.metric,
        "published": None if figure is None else figure.metrics[answer.metric],
        "ours": answer.ours,
        "low": low,
        "high": high,
        "n_seeds": len({one.seed for one in answer.records}),
        "difference": answer.difference,
        "tolerance": None if figure is None or not figure.case else figure.tolerance,
        "fit_s": sum(fits) / len(fits) if fits else None,
        "device": None if answer.point is None else answer.point.device,
        "dataset": _dataset(answer),
        "verdict": answer.verdict,
        "selected_on_test": answer.selected_on_test,
        "reason": answer.reason,
        **{name: getattr(figure, name, "") for name in ("source", "protocol", "differs")},
        "replay": list(dict.fromkeys(one.replay for one in answer.records)),
        "changed": list(
            dict.fromkeys(filter(None, (_why(one, changed) for one in answer.records)))
        ),
    }


def _dataset(answer: Answer) -> str:
    if answer.point is not None:
        return answer.point.dataset
    return "" if answer.figure is None else answer.figure.dataset


def _cells(
    answer: Answer, setting: str, notes: list[str], changed: Mapping[str, str]
) -> dict[str, str]:
    figure, seeds = answer.figure, {one.seed for one in answer.records}
    published = NOTHING if figure is None else f"{figure.metrics[answer.metric]:.4f}"
    fits = [one.fit_s for one in answer.records if one.fit_s is not None]
    marks = "".join(f" [{number}]" for number in _noted(answer, notes, changed))
    return {
        "method": answer.case if figure is None else figure.method,
        "case": answer.case or NOTHING,
        "setting": setting,
        "metric": answer.metric,
        "published": published,
        "ours": _ours(answer),
        "seeds": str(len(seeds)) if seeds else NOTHING,
        "difference": NOTHING if answer.difference is None else f"{answer.difference:+.4f}",
        "tolerance": NOTHING if figure is None or not figure.case else f"{figure.tolerance:g}",
        "fit s": f"{sum(fits) / len(fits):.1f}" if fits else NOTHING,
        "device": answer.records[0].device if answer.records else NOTHING,
        "verdict": f"{answer.verdict}{ON_TEST if answer.selected_on_test else ''}{marks}",
    }


def _ours(answer: Answer) -> str:
    if answer.ours is None:
        return NOTHING
    if answer.interval is None:
        return f"{answer.ours:.4f}"
    low, high = answer.interval
    return f"{answer.ours:.4f} [{low:.4f}, {high:.4f}]"


def _noted(answer: Answer, notes: list[str], changed: Mapping[str, str]) -> list[int]:
    """Return the numbers of what is said of a row; each text stands once."""
    fewer = any(one.learned_from == "training" for one in answer.records)
    texts = [SELECTED_ON_TEST if answer.selected_on_test else "", answer.reason]
    texts.append(FEWER if fewer else "")
    if answer.figure is not None:
        one = answer.figure
        told = f" ({one.protocol})" if one.protocol else ""
        texts.append(f"source: {one.source}{told}")
        texts += [f"ours differs: {one.differs}"] if one.differs and answer.records else []
    texts += dict.fromkeys(_again(one, changed) for one in answer.records)
    numbers = []
    for text in filter(None, texts):
        if text not in notes:
            notes.append(text)
        numbers.append(notes.index(text) + 1)
    return numbers


def _again(record: Record, changed: Mapping[str, str]) -> str:
    why = _why(record, changed)
    return f"again: {record.replay}{f' ({why})' if why else ''}"


def _why(record: Record, changed: Mapping[str, str]) -> str:
    return changed.get(setting_key(record.trial_id, record.search, record.load), "")
