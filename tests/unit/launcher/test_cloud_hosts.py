"""Which hosts Claude asks where a cloud provider serves the model."""

from __future__ import annotations

import pytest

from pinnace.agent import cloud_hosts


@pytest.mark.parametrize(
    ("environment", "among"),
    [
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, "bedrock-runtime.us-east-1.amazonaws.com"),
        (
            {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "cn-north-1"},
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        ),
        (
            {
                "CLAUDE_CODE_USE_BEDROCK": "1",
                "ANTHROPIC_BEDROCK_BASE_URL": "https://Models.example:8443/v1",
            },
            "models.example:8443",
        ),
        ({"CLAUDE_CODE_USE_VERTEX": "1"}, "us-east5-aiplatform.googleapis.com"),
        (
            {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "global"},
            "aiplatform.googleapis.com",
        ),
        (
            {"CLAUDE_CODE_USE_VERTEX": "1", "VERTEX_REGION_CLAUDE_4_0_OPUS": "europe-west4"},
            "europe-west4-aiplatform.googleapis.com",
        ),
        (
            {"CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_RESOURCE": "ours"},
            "ours.services.ai.azure.com",
        ),
    ],
)
def test_of_what_is_switched_on(environment: dict[str, str], among: str) -> None:
    found = cloud_hosts.hosts(environment)

    host, _, port = among.partition(":")
    assert (host, int(port or 443)) in found


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"CLAUDE_CODE_USE_BEDROCK": "0", "AWS_REGION": "eu-west-1"},
        {"AWS_REGION": "eu-west-1", "CLOUD_ML_REGION": "global"},
    ],
)
def test_nothing_of_what_is_not(environment: dict[str, str]) -> None:
    assert cloud_hosts.hosts(environment) == []


@pytest.mark.parametrize("region", ["evil.example/", "a.b", "x\nevil.example", "*", "-"])
def test_a_region_is_a_part_of_a_name_and_nothing_else(region: str) -> None:
    for name, variable in (("BEDROCK", "AWS_REGION"), ("VERTEX", "CLOUD_ML_REGION")):
        found = cloud_hosts.hosts({f"CLAUDE_CODE_USE_{name}": "1", variable: region})
        assert all(host.endswith((".amazonaws.com", ".googleapis.com")) for host, _ in found)
        assert not any("evil" in host or "*" in host for host, _ in found)
