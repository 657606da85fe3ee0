using Distributed.Core.Planning;
using Distributed.Hosting.Messages;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>One of each message, with every member filled in.</summary>
internal static class ControlMessages
{
    public static readonly IReadOnlyList<IControlMessage> Samples =
    [
        new Register(MessageCodec.Version, "worker-1", "CPU, 2 threads", [1, 2, 255], 7, 4711, 9464, 4000),
        new Welcome("worker-1", "task: digits\n", "10.0.0.1", 4711, [1, 2, 3, 255], true, 4711, 12, false, long.MaxValue),
        Numbered.Of(long.MaxValue, 17, 4, new Halted(3, 1L << 40, new(1, ulong.MaxValue))),
        new Heard(long.MaxValue, 4),
        new FindData("'line.csv' does not exist"),
        new DataFound("0123456789abcdef", 4711, 1L << 40),
        new NoData("it has none either"),
        new SendData("0123456789abcdef"),
        new Refused("the job is over", true),
        new ReportsSafe(8192),
        new Probe("batch: auto\n"),
        new Probed(128, 60_000, "2.1 of 3 GB"),
        new Prepared("a1b2", 60_000, 10_000, 101_770, 4, 407_080, "c3d4", "10.0.0.2", 4712, 7, 4711, "all of them", "{}"),
        new Halt(3),
        new Halted(3, 1L << 40, new(1, ulong.MaxValue)),
        new Synced(3, 17, new(ulong.MaxValue, 1)),
        new BeginPlan(4, 17, 1000, ["worker-1", "worker-2"], Topology.Mesh, ["10.0.0.1", "10.0.0.2"], [1, 65_535], [3, 0]),
        new PeerLost(4, "worker-2", "it was reset"),
        new SendState(4),
        new RoundsApplied(
        [
            new(17, new(ulong.MaxValue, 6), [32, 1.25, -0.0, double.NaN], 0.01, 2.5, 4, new(0.1, 0.2, 0.3, 0.4, 0.5)),
            new(18, default, [], 0, 0, 0, default),
        ]),
        new Leave("asked to"),
        new Noted("it is sent late"),
        new Failed("no data"),
        new Dismissed("done"),
    ];

    public static readonly Gen<IControlMessage> Any = Gen.OneOfConst([.. Samples]);
}
