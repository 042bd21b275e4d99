"""MovieLens in its releases, and as SASRec has it."""

from harness.data.entry import Counts, DatasetEntry, Download, Source
from harness.data.movielens import (
    FOLDS_1M,
    read_ml_1m,
    read_ml_1m_timed,
    read_ml_100k,
    read_ml_latest_small,
)
from harness.data.real_terms import GROUPLENS_LICENCE, MOVIELENS_CITATION, SASREC
from harness.data.sequences import read_ml_1m_sas

_ML_1M_FIELDS = ("users.dat", "movies.dat")
_ML_1M_SAS = ("ml-1m_sas.txt", "sas_to_original_users.txt", "sas_to_original_items.txt")
_MAPPING = ("asash/ml1m-sas-mapping", "56013fb1def17a503613b5b914c2809ed18f607c")


def _grouplens(name: str, sha256: str) -> Download:
    return Download(f"https://files.grouplens.org/datasets/movielens/{name}", name, sha256)


# SHA-256 of the archives as TensorFlow Datasets records them (url_checksums/movielens.txt)
_ML_1M_ZIP = _grouplens(
    "ml-1m.zip", "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
)

MOVIELENS = (
    DatasetEntry(
        "ml-latest-small",
        "MovieLens latest-small (2018): ratings with times, genres",
        source=Source(
            folder="ml-latest-small",
            files=(("ratings.csv", "movies.csv"),),
            read=read_ml_latest_small,
            origin="GroupLens, https://grouplens.org/datasets/movielens/latest/",
            licence="GroupLens: redistribution under the same terms only, no commercial use",
            citation=MOVIELENS_CITATION,
            counts=Counts(610, 9724, 100_836),
            content_sha256="2815f7de1c42e1f5777167fac2e62c1ab417325f21a0185c1a444d0cf5720e78",
            archives=("ml-latest-small.zip",),
            downloads=(
                _grouplens(
                    "ml-latest-small.zip",
                    "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
                ),
            ),
        ),
    ),
    DatasetEntry(
        "ml-100k",
        "MovieLens 100K: ratings with times, genres, user fields",
        source=Source(
            folder="ml-100k",
            files=(("u.data", "u.user", "u.item", "u.genre"),),
            read=read_ml_100k,
            origin="GroupLens, https://grouplens.org/datasets/movielens/100k/",
            licence=GROUPLENS_LICENCE,
            citation=MOVIELENS_CITATION,
            counts=Counts(943, 1682, 100_000),
            content_sha256="175b1657b630f687012fd1f330a2e3762fdd5d9612a8895ee302e5eceacf9728",
            archives=("ml-100k.zip",),
            downloads=(
                _grouplens(
                    "ml-100k.zip",
                    "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                ),
            ),
        ),
    ),
    DatasetEntry(
        "ml-1m",
        "MovieLens 1M: ratings without times, genres, user fields",
        source=Source(
            folder="ml-1m",
            files=(("ratings.dat", *_ML_1M_FIELDS), (*FOLDS_1M, *_ML_1M_FIELDS)),
            read=read_ml_1m,
            origin="GroupLens, https://grouplens.org/datasets/movielens/1m/; or the five test "
            "folds of RecoHut-Datasets/movielens_1m (branch v2), whose union is the same",
            licence=GROUPLENS_LICENCE,
            citation=MOVIELENS_CITATION,
            counts=Counts(6040, 3706, 1_000_209),
            content_sha256="5ff914d8ed2e9762463a6dd00dbf36702c9f1b6ea38e496bc0c9369d439ef284",
            archives=("ml-1m.zip",),
            downloads=(_ML_1M_ZIP,),
        ),
    ),
    DatasetEntry(
        "ml-1m-timed",
        "MovieLens 1M with times, from the owner's archive",
        source=Source(
            folder="ml-1m",
            files=(("ratings.dat", *_ML_1M_FIELDS),),
            read=read_ml_1m_timed,
            origin="GroupLens, https://grouplens.org/datasets/movielens/1m/",
            licence=GROUPLENS_LICENCE,
            citation=MOVIELENS_CITATION,
            counts=Counts(6040, 3706, 1_000_209),
            content_sha256=None,  # `ml-1m` asserts all of it but the times
            archives=("ml-1m.zip",),
            downloads=(_ML_1M_ZIP,),
        ),
    ),
    DatasetEntry(
        "ml-1m-sas",
        "MovieLens 1M as SASRec has it: sequences, genres, user fields",
        source=Source(
            folder="ml-1m",
            files=((*_ML_1M_SAS, *_ML_1M_FIELDS),),
            read=read_ml_1m_sas,
            origin="kang205/SASRec data/ml-1m.txt; ids mapped by asash/ml1m-sas-mapping; fields "
            "of GroupLens. Ties in time were ordered by SASRec in an unknown way",
            licence=GROUPLENS_LICENCE,
            citation=f"{MOVIELENS_CITATION}; Kang and McAuley, SASRec, ICDM 2018",
            counts=Counts(6040, 3416, 999_611),
            content_sha256="9ad29d9240a7a4d966db0c5133fe7dbbd9f0261830eac8811cac48a9f0f7a627",
            archives=("ml-1m.zip",),
            downloads=(
                _ML_1M_ZIP,
                Download.github(
                    SASREC,
                    "data/ml-1m.txt",
                    "b725f3acb3986fe3130bffd1e77a74d182a1f51799567a236dbd60270f95b0a2",
                    "ml-1m_sas.txt",
                ),
                Download.github(
                    _MAPPING,
                    "sas_to_original_users.txt",
                    "121893a66ab13fad83a67e12e3b3e6ddc56bcd01f0bcedf2ccb10bd8405e6239",
                ),
                Download.github(
                    _MAPPING,
                    "sas_to_original_items.txt",
                    "9ae42c23af0b0fe2f189b9d5acc6cf3936bffe1a9568390cf5d100c0c1b1fca1",
                ),
            ),
        ),
    ),
)
