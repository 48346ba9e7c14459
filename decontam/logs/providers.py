"""Providers: who served a call, by the host that was asked, by what the payload gives away, by the name of the model.

The names are those that the rules use. A host decides, since many serve models of others; a model's name comes last,
and says only who made it.
"""

from __future__ import annotations

from functools import lru_cache

_HOSTS = (
    ("openai.azure.com", "azure-openai"),
    ("services.ai.azure.com", "azure-ai"),
    ("models.ai.azure.com", "azure-ai"),
    ("inference.ai.azure.com", "azure-ai"),
    ("cognitiveservices.azure.com", "azure-openai"),
    ("azuredatabricks.net", "databricks"),
    ("databricks.com", "databricks"),
    ("openai.com", "openai"),
    ("chatgpt.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("claude.ai", "anthropic"),
    ("generativelanguage.googleapis.com", "google-gemini"),
    ("aiplatform.googleapis.com", "google-vertex"),
    ("amazonaws.com", "aws-bedrock"),
    ("aliyuncs.com", "alibaba-dashscope"),
    ("aliyun.com", "alibaba-dashscope"),
    ("volces.com", "volcengine-ark"),
    ("volcengineapi.com", "volcengine-ark"),
    ("bytepluses.com", "volcengine-ark"),
    ("baidubce.com", "baidu-qianfan"),
    ("sensenova.cn", "sensetime-sensenova"),
    ("sensetime.com", "sensetime-sensenova"),
    ("lingyiwanwu.com", "01ai-yi"),
    ("01.ai", "01ai-yi"),
    ("tencentcloudapi.com", "tencent-hunyuan"),
    ("hunyuan.cloud.tencent.com", "tencent-hunyuan"),
    ("xf-yun.com", "iflytek-spark"),
    ("bigmodel.cn", "zhipu-glm"),
    ("z.ai", "zhipu-glm"),
    ("moonshot.cn", "moonshot-kimi"),
    ("moonshot.ai", "moonshot-kimi"),
    ("minimax.chat", "minimax"),
    ("minimaxi.com", "minimax"),
    ("minimax.io", "minimax"),
    ("baichuan-ai.com", "baichuan"),
    ("stepfun.com", "stepfun"),
    ("deepseek.com", "deepseek"),
    ("x.ai", "xai-grok"),
    ("mistral.ai", "mistral"),
    ("cohere.ai", "cohere"),
    ("cohere.com", "cohere"),
    ("groq.com", "groq"),
    ("together.xyz", "together"),
    ("together.ai", "together"),
    ("openrouter.ai", "openrouter"),
    ("perplexity.ai", "perplexity"),
    ("fireworks.ai", "fireworks"),
    ("cerebras.ai", "cerebras"),
    ("huggingface.co", "huggingface"),
    ("huggingface.cloud", "huggingface"),
    ("replicate.com", "replicate"),
    ("writer.com", "writer"),
    ("portkey.ai", "portkey"),
    ("aleph-alpha.com", "aleph-alpha"),
    ("ai21.com", "ai21"),
    ("cloud.ibm.com", "ibm-watsonx"),
    ("llama.com", "meta-llama-api"),
)

_MODELS = (
    ("gpt-oss", "gpt-oss"),
    ("gpt-", "openai"),
    ("chatgpt", "openai"),
    ("text-davinci", "openai"),
    ("code-davinci", "openai"),
    ("davinci", "openai"),
    ("babbage", "openai"),
    ("curie", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4-", "openai"),
    ("codex-", "openai"),
    ("computer-use-preview", "openai"),
    ("claude", "anthropic"),
    ("gemini", "google-gemini"),
    ("chat-bison", "google-vertex"),
    ("text-bison", "google-vertex"),
    ("qwen", "alibaba-dashscope"),
    ("qwq", "alibaba-dashscope"),
    ("qvq", "alibaba-dashscope"),
    ("doubao", "volcengine-ark"),
    ("ep-20", "volcengine-ark"),
    ("skylark", "volcengine-ark"),
    ("ernie", "baidu-qianfan"),
    ("sensechat", "sensetime-sensenova"),
    ("sensenova", "sensetime-sensenova"),
    ("yi-", "01ai-yi"),
    ("hunyuan", "tencent-hunyuan"),
    ("glm-", "zhipu-glm"),
    ("chatglm", "zhipu-glm"),
    ("moonshot", "moonshot-kimi"),
    ("kimi", "moonshot-kimi"),
    ("abab", "minimax"),
    ("minimax", "minimax"),
    ("baichuan", "baichuan"),
    ("step-", "stepfun"),
    ("spark", "iflytek-spark"),
    ("4.0ultra", "iflytek-spark"),
    ("generalv3", "iflytek-spark"),
    ("deepseek", "deepseek"),
    ("grok", "xai-grok"),
    ("mistral", "mistral"),
    ("mixtral", "mistral"),
    ("gemma", "gemma"),
    ("ministral", "mistral"),
    ("magistral", "mistral"),
    ("codestral", "mistral"),
    ("devstral", "mistral"),
    ("pixtral", "mistral"),
    ("open-mi", "mistral"),
    ("command", "cohere"),
    ("c4ai-", "cohere"),
    ("sonar", "perplexity"),
    ("palmyra", "writer"),
    ("jamba", "ai21"),
    ("j2-", "ai21"),
    ("granite", "ibm-granite"),
    ("llama", "meta-llama"),
    ("meta-llama", "meta-llama"),
)

_ALIASES = {  # how gateways and tracers call those whose names the rules write otherwise
    "azure": "azure-openai",
    "azure_openai": "azure-openai",
    "azure.ai.openai": "azure-openai",
    "azure_ai": "azure-ai",
    "azure.ai.inference": "azure-ai",
    "bedrock": "aws-bedrock",
    "aws.bedrock": "aws-bedrock",
    "aws_bedrock": "aws-bedrock",
    "amazon": "aws-bedrock",
    "gemini": "google-gemini",
    "google": "google-gemini",
    "google_genai": "google-gemini",
    "gcp.gemini": "google-gemini",
    "gcp.gen_ai": "google-gemini",
    "vertex": "google-vertex",
    "vertexai": "google-vertex",
    "vertex_ai": "google-vertex",
    "vertex_ai_beta": "google-vertex",
    "gcp.vertex_ai": "google-vertex",
    "google_vertexai": "google-vertex",
    "dashscope": "alibaba-dashscope",
    "tongyi": "alibaba-dashscope",
    "volcengine": "volcengine-ark",
    "ark": "volcengine-ark",
    "qianfan": "baidu-qianfan",
    "moonshot": "moonshot-kimi",
    "xai": "xai-grok",
    "x_ai": "xai-grok",
    "mistralai": "mistral",
    "mistral_ai": "mistral",
    "together_ai": "together",
    "togetherai": "together",
    "watsonx": "ibm-watsonx",
    "ibm.watsonx.ai": "ibm-watsonx",
    "cohere_chat": "cohere",
    "huggingface-tgi": "huggingface-tgi",
}
_NAMED = {name for _, name in (*_HOSTS, *_MODELS)} | {"ollama", "vllm", "llama.cpp", "litellm", "huggingface-tgi"}


def host_of(url: str) -> str:
    """The host of a URL or the host itself, without a port.

    >>> host_of("https://api.openai.com:443/v1/chat"), host_of("api.x.ai"), host_of("/v1/chat")
    ('api.openai.com', 'api.x.ai', '')
    """
    rest = url.partition("://")[2] or url
    return rest.partition("/")[0].rpartition("@")[2].partition(":")[0].partition("?")[0].lower()


@lru_cache(maxsize=4096)
def by_host(url: str | None) -> str | None:
    """
    >>> by_host("https://myteam.openai.azure.com/openai/deployments/x"), by_host("http://localhost:8000")
    ('azure-openai', None)
    """
    host = host_of(url) if url else ""
    return next((provider for end, provider in _HOSTS if host == end or host.endswith(f".{end}")), None)


@lru_cache(maxsize=4096)
def by_model(model: str | None) -> str | None:
    """
    >>> by_model("us.anthropic.claude-3-haiku"), by_model("Qwen/Qwen2.5-72B-Instruct"), by_model("my-tune")
    ('anthropic', 'alibaba-dashscope', None)
    """
    name = (model or "").lower().rpartition("/")[2]
    names = (name, *(name.partition(f"{maker}.")[2] for maker in ("anthropic", "meta", "mistral", "cohere", "ai21", "deepseek", "qwen")))
    return next((provider for each in names if each for start, provider in _MODELS if each.startswith(start)), None)


def named(said: object) -> str | None:
    """The provider that a gateway calls by `said`, under the name that the rules use.

    >>> named("VERTEX_AI"), named("OpenAI"), named("somebody"), named(7)
    ('google-vertex', 'openai', None, None)
    """
    if not isinstance(said, str):
        return None
    name = said.strip().lower().replace(" ", "-")
    return _ALIASES.get(name) or _ALIASES.get(name.replace("-", "_")) or (name if name in _NAMED else None)
