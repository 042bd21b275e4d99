"""The history encoders by name."""

from methods.encoders.gru4rec import GRU4Rec
from methods.encoders.history import AttentionPool, HistoryEncoder, HistoryMean
from methods.encoders.params import EncoderParams
from methods.encoders.sasrec import SASRec


def make_history_encoder(params: EncoderParams, dim: int, hidden: int) -> HistoryEncoder:
    """Return the encoder that ``params`` name, (n, dim); ``hidden`` are the units of a GRU."""
    match params.encoder:
        case "mean":
            return HistoryMean()
        case "attention":
            return AttentionPool(dim, params.n_attention_heads)
        case "gru4rec":
            return GRU4Rec(dim, hidden, params.n_layers, params.dropout)
        case "sasrec":
            return SASRec(
                dim,
                params.max_history,
                n_layers=params.n_layers,
                n_heads=params.n_attention_heads,
                dropout=params.dropout,
                norm=params.norm,
                positions=params.positions,
                init_std=params.init_std,
            )
