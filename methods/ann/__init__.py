"""Vector indexes behind one interface; the only home of faiss."""
