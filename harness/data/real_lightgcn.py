"""Data sets in LightGCN text, with the split that their papers publish."""

from harness.data.entry import Counts, DatasetEntry, Download, Source
from harness.data.lightgcn import read_lightgcn
from harness.data.real_terms import AMAZON_LICENCE, GROUPLENS_LICENCE, MOVIELENS_CITATION

_LIGHTGCN_FILES = (("train.txt", "test.txt"),)
_RECZOO = ("reczoo/RecZoo", "fd2379d3b5df99d23513a8c423c083d27a45126d")


def _lightgcn(
    name: str,
    summary: str,
    counts: Counts,
    place: tuple[str, str],
    path: str,
    hashes: tuple[str, str, str],
    citation: str,
    licence: str = AMAZON_LICENCE,
    archives: tuple[str, ...] = (),
) -> DatasetEntry:
    """Return an entry of LightGCN text; ``hashes`` are of train.txt, test.txt and the content."""
    return DatasetEntry(
        name,
        summary,
        source=Source(
            folder=name,
            files=_LIGHTGCN_FILES,
            read=read_lightgcn,
            origin=f"{place[0]} {path}, commit {place[1]}",
            licence=licence,
            citation=citation,
            counts=counts,
            content_sha256=hashes[2],
            archives=archives,
            downloads=(
                Download.github(place, f"{path}/train.txt", hashes[0]),
                Download.github(place, f"{path}/test.txt", hashes[1]),
            ),
        ),
    )


LIGHTGCN = (
    _lightgcn(
        "gowalla",
        "Gowalla check-ins, split of NGCF, LightGCN and BARS",
        Counts(29_858, 40_981, 1_027_370, 810_128, 217_242),
        ("gusye1234/LightGCN-PyTorch", "947ca2b3b1d2d3545b114145710cb06c4e57b3d2"),
        "data/gowalla",
        (
            "7244696fdeb23911319cf7b689f2e15a3c4c92549c873a5677b44e3f13cc3e62",
            "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
            "ec4444af811734b90f77e689b12f42be30d15a5bb2e0708a0e2ee9eb0a76321c",
        ),
        "Cho, Myers and Leskovec, KDD 2011; Wang et al., NGCF, SIGIR 2019",
        "no formal data licence; cite the owner (SNAP) and NGCF",
        ("light_gcn_gowalla.zip",),
    ),
    _lightgcn(
        "movielens1m_m1",
        "MovieLens 1M, split of LCFN and UltraGCN; its validation part is not published",
        Counts(6022, 3043, 895_699, 796_244, 99_455),
        _RECZOO,
        "data/Movielens1M_m1",
        (
            "31fe589506162c76c90e87ddd017642f73655a3f959bd70deec8dda142608f4e",
            "c8b4f275ea29fdb5560f0d9014d85a3865743f3089dca0259c79fee30dcdbdcd",
            "0c2f85e5c89967278c0c788517bda23c2b09fee8ebe36260a021eb5b7f6f60e9",
        ),
        f"{MOVIELENS_CITATION}; Yu and Qin, LCFN, ICML 2020",
        GROUPLENS_LICENCE,
    ),
    _lightgcn(
        "amazoncds_m1",
        "Amazon CDs, split of BGCF",
        Counts(43_169, 35_648, 777_426, 604_475, 172_951),
        _RECZOO,
        "data/AmazonCDs_m1",
        (
            "c4caee7d5fe27fb5489466729b358eefe15155cec37f73ce2a4b5c74c8b73d51",
            "ef686ffd39ca5ad4c8ee9dc8eeb3333ccc5bfe548f55e0d403d210ff7f248d2d",
            "a1efc2a5e3a621bca8ee324e3f10b4351c07677938b157a34880ed23edf0ec1e",
        ),
        "Sun et al., BGCF, KDD 2020",
    ),
    _lightgcn(
        "amazonelectronics_m1",
        "Amazon Electronics, split of NBPO; small",
        Counts(1435, 1522, 35_931, 31_887, 4044),
        _RECZOO,
        "data/AmazonElectronics_m1",
        (
            "884a6569732136656d67e530798ecfcb6b9def627e81685c30cb18697a7d668f",
            "33b54edda8047be66ae135b9b52934f07858c482ec2a54995054e4eb2157f89d",
            "1322f59da1dbbdf75a1c47be39f7bd6ec9824c9bfc759d6ce7ba277b42f4dcc7",
        ),
        "Yu and Qin, NBPO, SIGIR 2020",
    ),
    _lightgcn(
        "amazonbook_kgat",
        "Amazon Book, split of KGAT: not the one of NGCF and LightGCN",
        Counts(70_679, 24_915, 846_434, 652_514, 193_920),
        (
            "xiangwang1223/knowledge_graph_attention_network",
            "c03737be46ac26a0b5431efe149828e982ffbbfb",
        ),
        "Data/amazon-book",
        (
            "4d10106bb06a77e11df660429903c0067aeb85b86431807836b0d8b7edc30c38",
            "f47eff9d35fb95c07d74251a991478a84095ce6c5969b0dafcb4afe99fc716ec",
            "76461b161d4f192209e89ef0ba51ee4772ebb1de8f5edf96def3d1fc5f45788f",
        ),
        "Wang et al., KGAT, KDD 2019",
    ),
)
