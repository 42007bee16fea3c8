"""The cache's adapters: the wire's form of questions and answers, stores, embedder and backends."""
