{{/* synapse.dimensions: YAML, how many dimensions the vectors of well-known models have. */}}
{{- define "synapse.dimensions" -}}
sentence-transformers/all-MiniLM-L6-v2: 384
sentence-transformers/all-MiniLM-L12-v2: 384
sentence-transformers/all-mpnet-base-v2: 768
sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2: 384
sentence-transformers/paraphrase-multilingual-mpnet-base-v2: 768
BAAI/bge-m3: 1024
BAAI/bge-small-en-v1.5: 384
BAAI/bge-base-en-v1.5: 768
BAAI/bge-large-en-v1.5: 1024
intfloat/e5-small-v2: 384
intfloat/e5-base-v2: 768
intfloat/e5-large-v2: 1024
intfloat/multilingual-e5-small: 384
intfloat/multilingual-e5-base: 768
intfloat/multilingual-e5-large: 1024
intfloat/multilingual-e5-large-instruct: 1024
thenlper/gte-small: 384
thenlper/gte-base: 768
thenlper/gte-large: 1024
Alibaba-NLP/gte-base-en-v1.5: 768
Alibaba-NLP/gte-large-en-v1.5: 1024
Alibaba-NLP/gte-multilingual-base: 768
mixedbread-ai/mxbai-embed-large-v1: 1024
nomic-ai/nomic-embed-text-v1: 768
nomic-ai/nomic-embed-text-v1.5: 768
jinaai/jina-embeddings-v2-small-en: 512
jinaai/jina-embeddings-v2-base-en: 768
Snowflake/snowflake-arctic-embed-xs: 384
Snowflake/snowflake-arctic-embed-s: 384
Snowflake/snowflake-arctic-embed-m: 768
Snowflake/snowflake-arctic-embed-l: 1024
Snowflake/snowflake-arctic-embed-l-v2.0: 1024
Qwen/Qwen3-Embedding-0.6B: 1024
Qwen/Qwen3-Embedding-4B: 2560
Qwen/Qwen3-Embedding-8B: 4096
{{- end -}}
