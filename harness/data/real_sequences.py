"""Sequences without times, some with item attributes."""

from functools import partial

from harness.data.entry import Counts, DatasetEntry, Download, Source
from harness.data.real_terms import AMAZON_LICENCE, SASREC
from harness.data.sequences import read_pairs, read_s3rec

_S3REC = ("RUCAIBox/CIKM2020-S3Rec", "2a81540ae18615d88ef88227b0c066e5b74781e5")

SEQUENCES = (
    DatasetEntry(
        "sasrec_video",
        "Amazon Video Games as SASRec has it: sequences",
        source=Source(
            folder="sasrec_video",
            files=(("Video.txt",),),
            read=partial(read_pairs, name="Video.txt"),
            origin=f"{SASREC[0]} data/Video.txt, commit {SASREC[1]}",
            licence=f"repository Apache-2.0; {AMAZON_LICENCE}",
            citation="Kang and McAuley, SASRec, ICDM 2018",
            counts=Counts(31_013, 23_715, 287_107),
            content_sha256="2c37e789cd688a375c52e18999c0df535c43135ed5df238df2c117c76ccada0e",
            downloads=(
                Download.github(
                    SASREC,
                    "data/Video.txt",
                    "b7376fe24430743f411dc7f567285657b2adb3f74361cc7ba0aee94f3024b651",
                ),
            ),
        ),
    ),
    DatasetEntry(
        "bert4rec_beauty",
        "Amazon Beauty as BERT4Rec has it: sequences",
        source=Source(
            folder="bert4rec_beauty",
            files=(("beauty.txt",),),
            read=partial(read_pairs, name="beauty.txt"),
            origin="antklen/sasrec-bert4rec-recsys23 data/beauty.txt",
            licence=AMAZON_LICENCE,
            citation="Sun et al., BERT4Rec, CIKM 2019; Klenitskiy and Vasilev, RecSys 2023",
            counts=Counts(40_226, 54_542, 353_962),
            content_sha256="42a4f648b423a2d4e7e5e87acceebe19e4b3fb24d712a7ca8f2bf4438cccab3e",
            downloads=(
                Download.github(
                    (
                        "antklen/sasrec-bert4rec-recsys23",
                        "29c272e155cad52c8958b04e9e98557526a646e5",
                    ),
                    "data/beauty.txt",
                    "f480b7a7403852342ffd8f9809bb30697dd669be31813d0e204b698fec86ef49",
                ),
            ),
        ),
    ),
    DatasetEntry(
        "s3rec_beauty",
        "Amazon Beauty as S3-Rec has it: sequences, item attributes",
        source=Source(
            folder="s3rec_beauty",
            files=(("Beauty.txt", "Beauty_item2attributes.json"),),
            read=partial(read_s3rec, name="Beauty"),
            origin=f"{_S3REC[0]} data/, commit {_S3REC[1]}",
            licence=AMAZON_LICENCE,
            citation="Zhou et al., S3-Rec, CIKM 2020",
            counts=Counts(22_363, 12_101, 198_502),
            content_sha256="0f907c0294b4eea41e8c646342e9daebb9afa144cf0b48d3d06c35bce07c1996",
            downloads=(
                Download.github(
                    _S3REC,
                    "data/Beauty.txt",
                    "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
                ),
                Download.github(
                    _S3REC,
                    "data/Beauty_item2attributes.json",
                    "129e40f67486f6877eff0f5318cfa8530ee8ac23d8b0d1de04e1bb7a2ba0b2d4",
                ),
            ),
        ),
    ),
    DatasetEntry(
        "s3rec_lastfm",
        "Last.fm (HetRec 2011) as S3-Rec has it: sequences, item attributes",
        source=Source(
            folder="s3rec_lastfm",
            files=(("LastFM.txt", "LastFM_item2attributes.json"),),
            read=partial(read_s3rec, name="LastFM"),
            origin=f"{_S3REC[0]} data/, commit {_S3REC[1]}",
            licence="HetRec 2011 and Last.fm: non-commercial research",
            citation="Zhou et al., S3-Rec, CIKM 2020; Cantador et al., HetRec 2011",
            counts=Counts(1090, 3646, 52_551),
            content_sha256="575fa76dadc6f73c0cbcabfcf83d2576042eafa87574ad27b162580e1e0275aa",
            downloads=(
                Download.github(
                    _S3REC,
                    "data/LastFM.txt",
                    "9ded486adb5b0fe9dc761950afa0a9a05e93ff018992e0c52bf11afec529f802",
                ),
                Download.github(
                    _S3REC,
                    "data/LastFM_item2attributes.json",
                    "a4ccd678dc9ff6d43fe5073f491db5c9b02eb98dfa4f8c0382913a784be217ef",
                ),
            ),
        ),
    ),
)
