using System.Runtime.Serialization;
using System.Text;
using Distributed.Core.Protocol;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Metrics;
using Distributed.Tests.Fuzzing;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Any bytes received as a control message are a message or refused and counted, and cost no more memory than they need.</summary>
public sealed class MessageFuzzTests(LonelyNode node) : IClassFixture<LonelyNode>
{
    [Fact]
    public async Task Any_bytes_under_any_manifest_are_a_message_or_refused_and_counted()
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var serializer = new ProtocolSerializer(node.System, new TrainingMetrics(registry).Control);
        // The manifest is untrusted too: it is put in front, with its length, so that it is mutated like the rest.
        var valid = ControlMessages.Samples.Select(message =>
        {
            var manifest = Encoding.UTF8.GetBytes(serializer.Manifest(message));
            return (byte[])[(byte)manifest.Length, .. manifest, .. serializer.ToBinary(message)];
        }).ToList();
        var fuzzer = Fuzzer.Run(250_000, valid, bytes =>
        {
            var length = bytes.Length == 0 ? 0 : Math.Min(bytes[0], bytes.Length - 1);
            var manifest = bytes.Length == 0 ? "" : Encoding.UTF8.GetString(bytes, 1, length);
            try
            {
                var message = serializer.FromBinary(bytes[Math.Min(bytes.Length, length + 1)..], manifest);
                Assert.Equal(manifest, message.GetType().Name);
                return null;
            }
            catch (SerializationException refused)
            {
                return refused.Message.Contains("unknown kind", StringComparison.Ordinal) ? MetricLabels.Unknown : MetricLabels.Malformed;
            }
        });
        var page = await Exposition.Of(registry);
        foreach (var reason in (string[])[MetricLabels.Unknown, MetricLabels.Malformed])
        {
            Assert.InRange(fuzzer.Refused[reason], 1, int.MaxValue);
            Assert.Equal(fuzzer.Refused[reason], page[$"{MetricNames.RefusedMessages}{{reason=\"{reason}\"}}"]);
        }
        const string Received = MetricNames.ControlMessages + "{direction=\"received\"";
        var received = page.Samples.Where(sample => sample.StartsWith(Received, StringComparison.Ordinal));
        Assert.Equal(fuzzer.Accepted + (2 * valid.Count), received.Sum(sample => page[sample]));
    }

    [Fact]
    public void Any_plan_message_is_converted_or_refused()
    {
        var serializer = node.Serializer;
        var plans = ControlMessages.Samples.OfType<BeginPlan>()
            .Append(new BeginPlan(1, 0, 10, ["a"], Core.Planning.Topology.Star, [], [], [])).Select(serializer.ToBinary).ToList();
        var fuzzer = Fuzzer.Run(50_000, plans, bytes =>
        {
            try
            {
                var message = (BeginPlan)serializer.FromBinary(bytes, nameof(BeginPlan));
                Assert.Equal(message.Workers.Length, message.ToPlan().Workers.Length);
                message.ToEndpoints();
                return null;
            }
            catch (SerializationException)
            {
                return "no message";
            }
            catch (ProtocolException refused)
            {
                return refused.Message[..Math.Min(refused.Message.Length, 60)];
            }
        });
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refused.Count, 5, 1_000);
    }
}
