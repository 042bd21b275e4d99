"""Matrix factorisation: a vector per user, a vector per item; BPR-MF, SimpleX, LightGCN."""
