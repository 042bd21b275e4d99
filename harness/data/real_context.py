"""Events with a context."""

from harness.data.entry import Counts, DatasetEntry, Download, Source
from harness.data.frappe import read_frappe

_CFM = (
    "MaurizioFD/RecSys2019_DeepLearning_Evaluation",
    "f5618c65573c5b220713775bdd56971663de9828",
)
_CFM_PATH = "CNN_on_embeddings/IJCAI/CFM_github/Data/frappe"

CONTEXT = (
    DatasetEntry(
        "frappe_cfm",
        "Frappe app usage in context: seven context fields x item",
        source=Source(
            folder="frappe_cfm",
            files=(("train.csv", "test.csv"),),
            read=read_frappe,
            origin=f"{_CFM[0]} {_CFM_PATH}, commit {_CFM[1]}",
            licence="Frappe data of Baltrunas et al.: research use; no terms in the source",
            citation="Baltrunas et al., Frappe, 2015; Xin et al., CFM, IJCAI 2019",
            counts=Counts(957, 4082, 96_195, 92_808, 3387),
            content_sha256="59d771a5e6c87e739054347416d08802407f778d3c107da95d8155ef9d8e5a01",
            downloads=(
                Download.github(
                    _CFM,
                    f"{_CFM_PATH}/train.csv",
                    "b6d27eba5c0b9ca906af6df513304b798cfa245eb61f382d59d610b70ca6f20f",
                ),
                Download.github(
                    _CFM,
                    f"{_CFM_PATH}/test.csv",
                    "2337f12a4037d05873978f982dca86dc9c6e8a8518928e1b0dc10bddde851702",
                ),
            ),
        ),
    ),
)
