using System.IO.Hashing;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Conversions of messages; <see cref="SerializerTests"/> tests their bytes.</summary>
public sealed class MessageTests
{
    private static readonly BeginPlan _good = new(4, 17, 1000, ["a", "b"], Topology.Mesh, ["10.0.0.1", "host"], [1, 65_535], [3, 0]);

    [Fact]
    public void A_plan_survives_a_round_trip() =>
        Assert.All([_good, _good with { Topology = Topology.Star, Hosts = [], Ports = [], Shares = [] }], message =>
        {
            var (plan, endpoints) = (message.ToPlan(), message.ToEndpoints());
            Assert.Equal(
                (message.Generation, message.FirstRound, message.EndRound, message.Topology),
                (plan.Generation, plan.FirstRound, plan.EndRound, plan.Topology));
            Assert.Equal(message.Workers, plan.Workers);
            Assert.Equal(message.Shares, plan.Shares);
            Assert.Equal(message.Hosts.Zip(message.Ports, (host, port) => new LinkEndpoint(host, port)), endpoints);
            Assert.Equivalent(message, BeginPlan.Of(plan, endpoints, message.Best), strict: true);
        });

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public void An_invalid_plan_is_refused_with_the_fault(BeginPlan message, string fault)
    {
        Assert.StartsWith(
            $"the coordinator sent an invalid plan: {fault}",
            Assert.Throws<ProtocolException>(message.ToPlan).Message,
            StringComparison.Ordinal);
        Assert.Throws<ProtocolException>(() => message.ToEndpoints());
    }

    public static TheoryData<BeginPlan, string> Faults => new()
    {
        { _good with { Generation = 0 }, "generation 0; allowed: 1 or more" },
        { _good with { FirstRound = -1 }, "rounds -1 to 1000" },
        { _good with { FirstRound = 1000 }, "rounds 1000 to 1000" },
        { _good with { Topology = 0 }, "topology 0; allowed: Star or Mesh" },
        { _good with { Topology = (Topology)3 }, "topology 3" },
        { _good with { Workers = [], Hosts = [], Ports = [] }, "0 workers; allowed: 1 or more, each once" },
        { _good with { Workers = ["a", "a"] }, "2 workers" },
        { _good with { Hosts = ["host"] }, "1 hosts and 2 ports for 2 workers in a Mesh" },
        { _good with { Ports = [1] }, "2 hosts and 1 ports" },
        { _good with { Hosts = ["host"], Ports = [1] }, "1 hosts and 1 ports" },
        { _good with { Topology = Topology.Star }, "2 hosts and 2 ports for 2 workers in a Star" },
        { _good with { Shares = [1] }, "shares 1 for 2 workers" },
        { _good with { Shares = [0, 0] }, "shares 0, 0 for 2 workers" },
        { _good with { Shares = [-1, 2] }, "shares -1, 2 for 2 workers; allowed: none, or one of 0 to 4096 each, not all 0" },
        { _good with { Shares = [4097, 2] }, "shares 4097, 2" },
        { _good with { Hosts = ["host", ""] }, "links at :65535; allowed" },
        { _good with { Hosts = ["host", new('x', 256)] }, "links at xxx" },
        { _good with { Ports = [0, 65_536] }, "links at 10.0.0.1:0, host:65536; allowed: hosts of 1 to 255 characters, ports 1 to 65535" },
    };

    [Fact]
    public void Facts_survive_a_round_trip()
    {
        var facts = new WorkerFacts("data", 7, 5, new(10, 3), 8, "initial", "host", 4711);
        Assert.Equal(facts, Prepared.Of(facts, new(3, 17)).ToFacts());
        Assert.Equal(new(3, 17), Prepared.Of(facts, new(3, 17)).Holding);
        Assert.Equal(new("host", 4711), facts.Endpoint);
    }

    [Fact]
    public void A_digest_is_shown_as_the_digits_of_the_hash() => Gen.Byte.Array.Sample(bytes => Assert.Equal(
        Convert.ToHexStringLower(XxHash128.Hash(bytes)), StateDigest.Of(XxHash128.HashToUInt128(bytes)).ToString()));
}
