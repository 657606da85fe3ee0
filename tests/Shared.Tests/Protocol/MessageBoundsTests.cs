using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>No message exceeds Akka's frame, for any job, names and number of workers.</summary>
public sealed class MessageBoundsTests
{
    /// <summary>Three bytes in UTF-8.</summary>
    private static string Wide(int characters) => new('\u20ac', characters);

    private static string Host => new('h', LinkEndpoint.MaxHostLength);

    private static string Id => new('w', MessageBounds.MaxWorkerId);

    private static RoundReport Largest(int tallies) =>
        new(long.MaxValue, new(ulong.MaxValue, ulong.MaxValue), [.. Enumerable.Repeat(Math.PI, tallies)],
        Math.PI, Math.PI, int.MaxValue, new(Math.PI, Math.PI, Math.PI, Math.PI, Math.PI));

    /// <summary>The largest message of each kind that the limits allow.</summary>
    private static IEnumerable<IControlMessage> LargestOfEach =>
    [
        new Register(int.MaxValue, Id, Wide(MessageBounds.MaxText), new byte[16], int.MaxValue, long.MaxValue, int.MaxValue, long.MaxValue),
        new Welcome(Id, Wide(JobFile.MaxLength), Host, 65_535, new byte[16], true, long.MaxValue, long.MaxValue, true, long.MaxValue),
        new FindData(Wide(MessageBounds.MaxText)),
        new DataFound(new('0', DataManifest.KeyLength), int.MaxValue, long.MaxValue),
        new NoData(Wide(MessageBounds.MaxText)),
        new SendData(new('0', DataManifest.KeyLength)),
        new Refused(Wide(MessageBounds.MaxText), true),
        new ReportsSafe(long.MaxValue),
        new Probe(Wide(JobFile.MaxLength)),
        new Probed(int.MaxValue, int.MaxValue, Wide(Probed.MaxWhat)),
        new Prepared(
            new('0', 64), int.MaxValue, int.MaxValue, int.MaxValue, int.MaxValue, long.MaxValue, new('0', 32), Host, 65_535, int.MaxValue,
            long.MaxValue, Wide(Prepared.MaxInitial), Wide(DataDescription.MaxLength)),
        new Halt(int.MaxValue),
        new Halted(int.MaxValue, long.MaxValue, new(ulong.MaxValue, ulong.MaxValue)),
        new Synced(int.MaxValue, long.MaxValue, new(ulong.MaxValue, ulong.MaxValue)),
        new BeginPlan(
            int.MaxValue,
            long.MaxValue,
            long.MaxValue,
            [.. Many(Id)],
            Topology.Mesh,
            [.. Many(Host)],
            [.. Many(65_535)],
            [.. Many(Job.MaxMicroBatches)],
            Math.PI),
        new PeerLost(int.MaxValue, Id, Wide(MessageBounds.MaxText)),
        new SendState(int.MaxValue),
        new RoundsApplied([Largest(VectorLayout.MaxTallies)]),
        new Leave(Wide(MessageBounds.MaxText)),
        new Noted(Wide(MessageBounds.MaxText)),
        new Failed(Wide(MessageBounds.MaxText)),
        new Dismissed(Wide(MessageBounds.MaxText)),
        new Heard(long.MaxValue, long.MaxValue),
    ];

    private static IEnumerable<T> Many<T>(T one) => Enumerable.Repeat(one, MessageBounds.MaxWorkers);

    [Fact]
    public void Every_message_has_a_bound_that_its_largest_instance_keeps_and_that_fits_a_frame()
    {
        var largest = LargestOfEach.ToList();
        Assert.Equal(
            MessageCodec.Messages.Where(type => type != typeof(Numbered)).Select(type => type.Name).Order(),
            largest.Select(m => m.GetType().Name).Order());
        Assert.All(largest, message =>
        {
            var bound = MessageBounds.Of(message.GetType());
            Assert.InRange(MessageCodec.Pack(message).Length, 0, bound);
            Assert.InRange(bound + MessageBounds.NumberedBytes, 0, MessageBounds.MaxBytes);
        });
    }

    [Fact]
    public void A_number_costs_no_more_than_its_bound() =>
        Assert.All(LargestOfEach.Where(message => message is IWorkerMessage or ICoordinatorMessage), message =>
        {
            var numbered = Numbered.Of(long.MaxValue, long.MaxValue, long.MaxValue, message);
            var overhead = MessageCodec.Pack(numbered).Length - MessageCodec.Pack(message).Length;
            Assert.InRange(overhead, 1, MessageBounds.NumberedBytes);
        });

    [Fact]
    public void Reports_are_split_by_bytes_in_order_without_loss() =>
        Gen.Select(Gen.Int[1, 3000], Gen.OneOfConst(3, 50, 1002, VectorLayout.MaxTallies)).Sample((count, tallies) =>
        {
            var reports = Enumerable.Range(0, tallies > 100 ? count / 30 : count).Select(round => Largest(tallies) with { Round = round })
                .ToList();
            var split = MessageBounds.Split(reports).ToList();
            Assert.Equal(
                reports.Select(report => report.Round),
                split.SelectMany(message => message.Rounds).Select(report => report.Round));
            Assert.All(split, message => Assert.InRange(MessageCodec.Pack(message).Length, 0, MessageBounds.Of(typeof(RoundsApplied))));
            // No more messages than necessary.
            Assert.InRange(
                split.Count, 0, 1 + (reports.Count / Math.Max(1, MessageBounds.ReportsBytes / MessageBounds.ReportBytes(tallies))));
        }, iter: 30);

    [Fact]
    public void A_worker_may_keep_its_reports_between_two_durable_rounds() => Gen.Int[1, VectorLayout.MaxTallies].Sample(tallies =>
        Assert.InRange(MessageBounds.SafeInterval(tallies) * MessageBounds.ReportBytes(tallies), 1, MessageBounds.KeptBytes / 2));

    [Fact]
    public void A_text_that_is_too_long_is_truncated_visibly()
    {
        IControlMessage[] messages =
        [
            new FindData(Wide(9000)), new NoData(Wide(9000)), new Refused(Wide(9000), false), new PeerLost(1, "a", Wide(9000)),
            new Leave(Wide(9000)), new Noted(Wide(9000)), new Failed(Wide(9000)), new Dismissed(Wide(9000)),
        ];
        Assert.All(messages, message =>
        {
            var cut = MessageBounds.Shortened(message);
            Assert.InRange(MessageCodec.Pack(cut).Length, 0, MessageBounds.Of(message.GetType()));
            Assert.Contains($"{new string('\u20ac', 100)}...", cut.ToString(), StringComparison.Ordinal);
        });
        Assert.All(ControlMessages.Samples, message => Assert.Same(message, MessageBounds.Shortened(message)));
    }
}
