"""What a built SparCode writes beside its lists, and reads to serve."""

from pathlib import Path
from typing import NamedTuple, Self

from harness.arrays import Array, load_arrays, save_arrays
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.serving.fallback import PopularityFallback
from methods.sparcode.serving.lists_of_codes import CodesInUse
from methods.sparcode.serving.served_model import ServedModel
from methods.training import Trained, histories

KIND = "sparcode"  # of what is saved


class Saved(NamedTuple):
    """All that encodes and scores, and how it was trained; neither model nor training log."""

    settings: ModelSettings
    served: ServedModel
    used: CodesInUse
    fallback: PopularityFallback
    ordered: bool
    epochs: int
    restarts: int
    item_width: int
    trainings: dict[str, Trained]

    def write(self, folder: Path) -> None:
        """Write arrays and facts."""
        arrays: dict[str, Array] = {
            "used": self.used.codes,
            "uses": self.used.uses,
            "fallback": self.fallback.scores,
            **self.served.arrays(),
        }
        facts = {
            "settings": self.settings.facts(),
            "ordered": self.ordered,
            "epochs": self.epochs,
            "restarts": self.restarts,
            "item_width": self.item_width,
            "history": histories(self.trainings),
            "served": self.served.facts(self.item_width),
        }
        save_arrays(folder, KIND, arrays, facts)

    @classmethod
    def read(cls, folder: Path, settings: ModelSettings, device: str) -> Self:
        """Return what `write` wrote, for the same settings.

        Raises
        ------
        MethodError
            It was written with other settings, by which it would answer otherwise.
        """
        arrays, facts = load_arrays(folder, KIND)
        settings.check_against(facts["settings"], str(folder))
        served = ServedModel.of_arrays(arrays, facts["served"], settings, device)
        return cls(
            settings,
            served,
            CodesInUse(
                arrays["used"],
                arrays["uses"],
                served.encoder.starts.cpu().numpy(),
                served.retired_codes,
            ),
            PopularityFallback(arrays["fallback"]),
            bool(facts["ordered"]),
            int(facts["epochs"]),
            int(facts["restarts"]),
            int(facts["item_width"]),
            Trained.of_histories(facts["history"]),
        )
