"""The catalogue: the one table from method name to ``"module:Class"``; nothing is imported here."""

CATALOG = {
    "popularity": "methods.classical.popularity:Popularity",
    "cluster_popularity": "methods.classical.cluster_popularity:ClusterPopularity",
    "item_knn": "methods.classical.item_knn:ItemKNN",
    "two_tower": "methods.two_tower.retriever:TwoTower",
    "all_to_all": "methods.all_to_all.retriever:AllToAll",
    "sparcode": "methods.sparcode.retriever:SparCode",
    "bpr": "methods.matrix_factorisation.retriever:BPR",
    "simplex": "methods.matrix_factorisation.retriever:SimpleX",
    "light_gcn": "methods.matrix_factorisation.retriever:LightGCN",
    "flat": "methods.ann.retriever:Flat",
    "ivf": "methods.ann.retriever:IVF",
    "hnsw": "methods.ann.retriever:HNSW",
    "scann": "methods.ann.scann_retriever:Scann",
    "posting_lists": "methods.sparcode.posting_lists:PostingLists",
}
