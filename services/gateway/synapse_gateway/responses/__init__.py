"""OpenAI's responses protocol to and from the canonical form, without state: nothing is kept between two calls."""
