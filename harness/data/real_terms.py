"""Terms that several real data sets share."""

AMAZON_LICENCE = "Amazon review data (McAuley et al.); research use, no formal licence"
GROUPLENS_LICENCE = "GroupLens: research, no redistribution without permission, no commercial use"
MOVIELENS_CITATION = "Harper and Konstan, The MovieLens Datasets, ACM TiiS 2015"
SASREC = ("kang205/SASRec", "e3738967fddab206d6eeb4fda433e7a7034dd8b1")
