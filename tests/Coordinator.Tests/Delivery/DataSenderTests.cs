using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Tests.Links;
using Distributed.Core;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Jobs.Data;

namespace Distributed.Coordinator.Tests.Delivery;

/// <summary>Data that a worker lacks, from the coordinator's files to the worker's end of a real link.</summary>
public sealed class DataSenderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StarBench _bench = new();

    public void Dispose()
    {
        _bench.Dispose();
        _folder.Dispose();
    }

    private DataSender Sender => new(new NpyData { Path = "x.npy", Targets = "y.npy" }, new() { DataDirectory = _folder.Path });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_worker_receives_the_manifest_and_the_files(bool isShared)
    {
        // More than fits into memory at a time, with an end within a piece.
        var (x, y) = (Write("x.npy", (40 * FrameHeader.MaxLength) + 17), Write("y.npy", 1000));
        var offer = await Sender.OfferAsync();
        var link = await _bench.LinkAsync("w", isShared);
        var sent = 0L;
        var sending = DataSender.SendAsync(_bench.Star, "w", offer, bytes => sent += bytes);
        var received = await ReceiveAsync(link, offer.Length);
        await sending.Soon();
        Assert.Equal(offer.Length, sent);
        var list = received.AsMemory(0, offer.Manifest.Length);
        Assert.Equal(offer.Key, DataManifest.KeyOf(list.Span));
        Assert.Equal(["0/x.npy", "1/y.npy"], DataManifest.Parse(list).Files.Select(file => file.Name));
        Assert.Equal([.. x, .. y], received[offer.Manifest.Length..]);
    }

    [Fact]
    public async Task Changed_data_is_offered_anew_and_unchanged_data_is_not_read_again()
    {
        Write("x.npy", 100);
        Write("y.npy", 100);
        var sender = Sender;
        var first = await sender.OfferAsync();
        Assert.Same(first, await sender.OfferAsync());
        Write("y.npy", 101);
        var second = await sender.OfferAsync();
        Assert.NotEqual(first.Key, second.Key);
        Assert.Same(first, sender.Offered(first.Key));
        Assert.Same(second, sender.Offered(second.Key));
        Assert.Null(sender.Offered("another"));
    }

    [Fact]
    public async Task Missing_data_is_reported_and_found_once_it_exists()
    {
        Write("x.npy", 100);
        var sender = Sender;
        var error = await Assert.ThrowsAsync<DataException>(sender.OfferAsync);
        Assert.Contains("y.npy' does not exist on", error.Message, StringComparison.Ordinal);
        Write("y.npy", 100);
        Assert.Equal(200, (await sender.OfferAsync()).Bytes);
    }

    [Fact]
    public async Task Data_without_files_is_not_offered() =>
        await Assert.ThrowsAsync<DataException>(() => new DataSender(new KnownData("digits"), new()).OfferAsync());

    [Fact]
    public async Task A_file_that_becomes_shorter_ends_the_delivery()
    {
        Write("x.npy", 100);
        Write("y.npy", 100);
        var offer = await Sender.OfferAsync();
        File.WriteAllBytes(_folder["y.npy"], new byte[60]);
        await _bench.LinkAsync("w");
        var failed = await Assert.ThrowsAsync<DataException>(() => DataSender.SendAsync(_bench.Star, "w", offer, _ => { }).Soon());
        Assert.Contains("has become 40 bytes shorter while it was sent", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_closed_link_ends_the_delivery()
    {
        Write("x.npy", 100 * FrameHeader.MaxLength);
        Write("y.npy", 100);
        var offer = await Sender.OfferAsync();
        // The link never connects, so no piece leaves.
        _bench.Star.Admit("w");
        var queued = new TaskCompletionSource();
        var sending = DataSender.SendAsync(_bench.Star, "w", offer, _ => queued.TrySetResult());
        await queued.Task.Soon();
        Assert.False(sending.IsCompleted);
        _bench.Star.Remove("w");
        await sending.Soon();
        await DataSender.SendAsync(_bench.Star, "nobody", offer, _ => { }).Soon();
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
