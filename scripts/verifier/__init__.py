"""The verifier: makes its training pairs, trains it, writes it as ONNX, measures it. See docs/model-card.md."""
