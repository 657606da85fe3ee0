using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Tests.Links;
using Distributed.Core;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Coordinator.Tests.Delivery;

/// <summary>Data that a worker has not got, from the coordinator's files to the worker's end of a real link.</summary>
public sealed class DataDeskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StarBench _bench = new();

    public void Dispose()
    {
        _bench.Dispose();
        _folder.Dispose();
    }

    private DataDesk Desk => new(new NpyData { Path = "x.npy", Targets = "y.npy" }, new() { DataDirectory = _folder.Path });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_worker_gets_the_list_and_the_files_behind_it(bool isShared)
    {
        // More than is in memory at a time, and an end within a piece.
        var (x, y) = (Write("x.npy", (40 * FrameHeader.MaxLength) + 17), Write("y.npy", 1000));
        var offer = await Desk.OfferAsync();
        var link = await _bench.LinkAsync("w", isShared);
        var sent = 0L;
        var sending = DataDesk.SendAsync(_bench.Star, "w", offer, bytes => sent += bytes);
        var received = await ReceiveAsync(link, offer.Length);
        await sending.Soon();
        Assert.Equal(offer.Length, sent);
        var list = received.AsMemory(0, offer.Manifest.Length);
        Assert.Equal(offer.Key, DataManifest.KeyOf(list.Span));
        Assert.Equal(["0/x.npy", "1/y.npy"], DataManifest.Parse(list).Files.Select(file => file.Name));
        Assert.Equal([.. x, .. y], received[offer.Manifest.Length..]);
    }

    [Fact]
    public async Task What_was_changed_is_offered_anew_and_what_was_not_is_not_read_again()
    {
        Write("x.npy", 100);
        Write("y.npy", 100);
        var desk = Desk;
        var first = await desk.OfferAsync();
        Assert.Same(first, await desk.OfferAsync());
        Write("y.npy", 101);
        var second = await desk.OfferAsync();
        Assert.NotEqual(first.Key, second.Key);
        Assert.Same(first, desk.Offered(first.Key));
        Assert.Same(second, desk.Offered(second.Key));
        Assert.Null(desk.Offered("another"));
    }

    [Fact]
    public async Task What_is_not_there_is_told_and_found_once_it_is()
    {
        Write("x.npy", 100);
        var desk = Desk;
        Assert.Contains("y.npy' does not exist on", (await Assert.ThrowsAsync<DataException>(desk.OfferAsync)).Message, StringComparison.Ordinal);
        Write("y.npy", 100);
        Assert.Equal(200, (await desk.OfferAsync()).Bytes);
    }

    [Fact]
    public async Task Data_without_files_is_not_offered() =>
        await Assert.ThrowsAsync<DataException>(() => new DataDesk(new KnownData("digits"), new()).OfferAsync());

    [Fact]
    public async Task A_file_that_becomes_shorter_ends_the_sending()
    {
        Write("x.npy", 100);
        Write("y.npy", 100);
        var offer = await Desk.OfferAsync();
        File.WriteAllBytes(_folder["y.npy"], new byte[60]);
        await _bench.LinkAsync("w");
        var failed = await Assert.ThrowsAsync<DataException>(() => DataDesk.SendAsync(_bench.Star, "w", offer, _ => { }).Soon());
        Assert.Contains("has become 40 bytes shorter while it was sent", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_link_that_closes_ends_the_sending_however_much_is_left()
    {
        Write("x.npy", 100 * FrameHeader.MaxLength);
        Write("y.npy", 100);
        var offer = await Desk.OfferAsync();
        // It never connects: nothing leaves.
        _bench.Star.Admit("w");
        var queued = new TaskCompletionSource();
        var sending = DataDesk.SendAsync(_bench.Star, "w", offer, _ => queued.TrySetResult());
        await queued.Task.Soon();
        Assert.False(sending.IsCompleted);
        _bench.Star.Remove("w");
        await sending.Soon();
        await DataDesk.SendAsync(_bench.Star, "nobody", offer, _ => { }).Soon();
    }

    private static async Task<byte[]> ReceiveAsync(StarPeer link, long bytes)
    {
        var received = new MemoryStream();
        while (received.Length < bytes)
        {
            var (header, payload) = await link.NextAsync();
            Assert.Equal((FrameKind.Data, FrameHeader.AnyGeneration, received.Length), (header.Kind, header.Generation, header.Round));
            received.Write(payload);
        }
        return received.ToArray();
    }

    private byte[] Write(string name, int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        File.WriteAllBytes(_folder[name], bytes);
        return bytes;
    }
}
