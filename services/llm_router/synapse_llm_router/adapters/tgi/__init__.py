"""The native wire of Text Generation Inference."""
