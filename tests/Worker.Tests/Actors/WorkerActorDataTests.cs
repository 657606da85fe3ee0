using System.Text;
using Akka.Actor;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Delivery;
using Distributed.Worker.Tests.Links;
using Distributed.Worker.Tests.Replicas;

namespace Distributed.Worker.Tests.Actors;

/// <summary>How a worker obtains data that its machine lacks.</summary>
[Collection(TorchTests.Name)]
public sealed class WorkerActorDataTests(TwoNodes nodes) : WorkerActorTestBase(nodes), IClassFixture<TwoNodes>
{
    /// <summary>A job on a table that exists on no machine.</summary>
    private static readonly Job _table = JobFile.Parse("""
        task: regression
        data: { csv: line.csv, target: y }
        model: { name: mlp, hidden: [4] }
        epochs: 1
        batch: 8
        micro-batches: 2
        optimizer: sgd
        """, "job.yaml");

    [Fact]
    public async Task A_worker_receives_missing_data_over_its_link_once_and_the_next_worker_finds_it()
    {
        using var folder = new TemporaryFolder();
        byte[] table = [.. "x,y\n"u8, .. Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 50).Select(i => $"{i},{2 * i}")))];
        var set = DeliveredSet.Of(("0/line.csv", table));
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(_table));
        var without = new DataOptions { DataDirectory = folder.Path, CacheDirectory = folder.At("cache") };
        Start(without);
        Next<Register>();
        Welcome(JobFile.Format(_table), link);
        Assert.Equal(
            $"'{folder.At("line.csv")}' does not exist on {Environment.MachineName}",
            Assert.IsType<FindData>(NextButOffers()).Missing);
        Tell(new DataFound(set.Key, set.ManifestBytes, table.Length));
        Assert.Equal(set.Key, Next<SendData>().Key);
        link.SendData(set.Bytes);
        var first = Next<Prepared>();
        Assert.Equal((40, 10), (first.TrainSamples, first.TestSamples));
        // The connection remains in use.
        Tell(new SendState(0));
        Assert.Equal(FrameKind.State, link.NextFrame().Header.Kind);
        await Actor.GracefulStop(Patience.Limit);

        End = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using var again = new ScriptedCoordinator(JobFile.Fingerprint(_table));
        Start(without);
        Next<Register>();
        Welcome(JobFile.Format(_table), again);
        Assert.IsType<FindData>(NextButOffers());
        Tell(new DataFound(set.Key, set.ManifestBytes, table.Length));
        Assert.Equal(first.DataFingerprint, Next<Prepared>().DataFingerprint);
    }

    [Theory]
    [InlineData("0123", 10, 10, "the coordinator offers malformed data")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0, 10, "the coordinator offers malformed data")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 10, -1, "the coordinator offers malformed data")]
    [InlineData(
        "0000000000000000000000000000000000000000000000000000000000000000", 10, 1001,
        "the coordinator would send 1001 bytes; allowed are 1000. Allow more with --data-limit")]
    public async Task A_worker_refuses_data_that_it_may_not_accept_before_the_coordinator_sends_it(
        string key, int manifestBytes, long bytes, string reason)
    {
        using var folder = new TemporaryFolder();
        Start(new() { DataDirectory = folder.Path, CacheDirectory = folder.At("cache"), DeliveryLimit = 1000 });
        Next<Register>();
        Welcome(JobFile.Format(_table));
        Assert.IsType<FindData>(NextButOffers());
        Tell(new DataFound(key, manifestBytes, bytes));
        Assert.Contains(reason, Next<Failed>().Reason, StringComparison.Ordinal);
        Assert.Equal(1, (await End.Task.Soon()).ExitCode);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_worker_reports_where_missing_data_was_searched_for(bool asks)
    {
        using var folder = new TemporaryFolder();
        Start(new() { DataDirectory = folder.Path, CacheDirectory = folder.At("cache"), DeliveryLimit = asks ? 1 : 0 });
        Next<Register>();
        Welcome(JobFile.Format(_table));
        if (asks)
        {
            Assert.IsType<FindData>(NextButOffers());
            Tell(new NoData("'/there/line.csv' does not exist on there"));
        }
        var there = asks ? ", and the coordinator cannot send it: '/there/line.csv' does not exist on there" : "";
        Assert.StartsWith(
            $"'{folder.At("line.csv")}' does not exist on {Environment.MachineName}{there}. Give",
            Assert.IsType<Failed>(NextButOffers()).Reason,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_that_loses_its_link_while_it_receives_data_may_return()
    {
        using var folder = new TemporaryFolder();
        var set = DeliveredSet.Of(("0/line.csv", new byte[1_000_000]));
        using var link = new ScriptedCoordinator(JobFile.Fingerprint(_table));
        Start(new() { DataDirectory = folder.Path, CacheDirectory = folder.At("cache") });
        Next<Register>();
        Welcome(JobFile.Format(_table), link);
        Assert.IsType<FindData>(NextButOffers());
        Tell(new DataFound(set.Key, set.ManifestBytes, set.Bytes.Length - set.ManifestBytes));
        Next<SendData>();
        link.SendData(set.Bytes.AsMemory(0, 300_000));
        link.Close("gone");
        Assert.NotEmpty(Next<Failed>().Reason);
        var end = await End.Task.Soon();
        Assert.True(end is { MayReturn: true, Session: null });
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.At("cache", "delivered")));
    }
}
