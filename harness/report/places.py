"""Places: in a few words where the points of a plane were measured, and what tells planes apart."""

from collections.abc import Sequence

from harness.compare.frontier import Plane
from harness.compare.scaling import catalogue_sizes
from harness.compare.scenario import scenario
from harness.report.numbers import counted


def places_of(planes: Sequence[Plane], *, with_load: bool = True) -> list[str]:
    """Return for each plane scenario, device and threads; what else tells it from others.

    ``with_load=False`` is for what is the same under every load.
    """
    firsts = [one.spots[0].point.first for one in planes]
    sizes = catalogue_sizes(firsts)
    names = [one.dataset.partition("(")[0] for one in firsts]
    profiles = [str(one.profile) for one in firsts]
    places = []
    for plane, first, name, profile in zip(planes, firsts, names, profiles, strict=True):
        size = sizes.get(first.trial_id)
        parts = [
            scenario(plane.load) if with_load else "all loads",
            first.device,
            counted(first.threads, "thread"),
            *([name] if len(set(names)) > 1 else []),
            *([f"{size:,} items"] if size else []),
            *([f"profile {profile}"] if len(set(profiles)) > 1 else []),
            *([plane.apart] if plane.apart else []),
        ]
        places.append(", ".join(parts))
    return places
