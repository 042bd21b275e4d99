"""The catalogue: the one table from method name to ``"module:Class"``; nothing is imported here."""

CATALOG = {
    "random": "methods.classical.random:Random",
    "popularity": "methods.classical.popularity:Popularity",
    "recent_popularity": "methods.classical.recent_popularity:RecentPopularity",
    "cluster_popularity": "methods.classical.cluster_popularity:ClusterPopularity",
    "item_knn": "methods.classical.item_knn:ItemKNN",
    "user_knn": "methods.classical.user_knn:UserKNN",
    "rp3beta": "methods.classical.rp3beta:RP3beta",
    "ease": "methods.classical.ease:EASE",
    "slim": "methods.classical.slim:SLIM",
    "ials": "methods.classical.ials:IALS",
    "two_tower": "methods.two_tower.retriever:TwoTower",
    "all_to_all": "methods.all_to_all.retriever:AllToAll",
    "sparcode": "methods.sparcode.retriever:SparCode",
    "flat": "methods.ann.retriever:Flat",
    "ivf": "methods.ann.retriever:IVF",
    "hnsw": "methods.ann.retriever:HNSW",
    "scann": "methods.ann.scann_retriever:Scann",
    "posting_lists": "methods.sparcode.posting_lists:PostingLists",
}
