"""Vector indexes behind one interface; the only home of faiss and ScaNN."""
