using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor records the description of the data and delivers the data to workers that lack it.</summary>
public sealed class CoordinatorDataTests : VirtualTimeKit
{
    [Fact]
    public async Task The_description_of_the_data_is_recorded_and_reported_once()
    {
        using var bench = new CoordinatorBench(this, startWith: 4);
        var data = new DataDescription { Data = "csv", Shape = [2], Classes = ["a", "b"], Notes = ["a row is left out"] };
        string[] said = ["{", data.ToJson(), data.ToJson(), ""];
        var workers = new List<BenchWorker>();
        foreach (var (name, json) in "abcd".Zip(said))
        {
            workers.Add(await bench.RegisterAsync($"{name}"));
            await workers[^1].LinkAsync();
            workers[^1].Say(CoordinatorBench.Facts with { Data = json });
        }
        await workers[^1].HearAsync<Halt>();
        Assert.Equal(data.ToJson(), Assert.Single(bench.Described).ToJson());
        Assert.Single(bench.View.Messages, "a row is left out");
        Assert.Single(bench.View.Messages, "the description of the data could not be written: the disk is full");
        Assert.Single(
            bench.View.Messages,
            line => line.StartsWith("a worker sent a malformed description of the data: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_worker_without_data_receives_it_before_it_is_prepared()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["a.csv"], "x,y\n1,2\n");
        using var bench = new CoordinatorBench(this, data: new(new CsvData { Path = "a.csv" }, new() { DataDirectory = folder.Path }));
        var worker = await bench.RegisterAsync("worker");
        worker.Say(new FindData("there is none"));
        var found = await worker.HearAsync<DataFound>();
        Assert.Equal(8, found.Bytes);
        await worker.LinkAsync();
        worker.Say(new SendData(found.Key));
        var (header, piece) = await worker.Link.NextAsync();
        Assert.Equal((FrameKind.Data, 0), (header.Kind, header.Round));
        Assert.Equal("x,y\n1,2\n"u8, piece.AsSpan(found.ManifestBytes));
        Assert.Contains("worker is sent the data, 8 bytes", bench.View.Messages);
        // The coordinator counts the bytes after it has sent them; the worker may receive them earlier.
        while (await bench.Registry.ValueAsync(MetricNames.DeliveredBytes) == 0) await Task.Yield();
        Assert.Equal(piece.Length, await bench.Registry.ValueAsync(MetricNames.DeliveredBytes));
        worker.Say(CoordinatorBench.Facts);
        await worker.HearAsync<Halt>();
    }

    [Fact]
    public async Task A_worker_that_cannot_be_sent_data_is_told_why()
    {
        using var none = new CoordinatorBench(this);
        var worker = await none.RegisterAsync("worker");
        worker.Say(new FindData("there is none"));
        Assert.Equal("it has no data", (await worker.HearAsync<NoData>()).Reason);

        using var folder = new TemporaryFolder();
        using var missing = new CoordinatorBench(this, data: new(new CsvData { Path = "a.csv" }, new() { DataDirectory = folder.Path }));
        worker = await missing.RegisterAsync("worker");
        worker.Say(new FindData("there is none"));
        Assert.Equal($"'{folder["a.csv"]}' does not exist on {Environment.MachineName}", (await worker.HearAsync<NoData>()).Reason);
    }

    [Fact]
    public async Task A_worker_that_requests_data_that_was_not_offered_is_lost()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, data: new(new KnownData("digits"), new()));
        var worker = await bench.RegisterAsync("worker");
        worker.Say(new SendData("0123"));
        await Patience.UntilAsync(() => bench.Star.LinkOf("worker") is null);
    }
}
