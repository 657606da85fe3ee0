using System.Text;
using Distributed.Core;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;
using Distributed.Worker.Cluster;
using Distributed.Worker.Tests.Data;
using Distributed.Worker.Tests.Links;
using Prometheus;

namespace Distributed.Worker.Tests.Delivery;

/// <summary>A data set over a real link: a violation closes the link, is counted, and leaves nothing.</summary>
public sealed class DeliveryLinkTests : IDisposable
{
    private const ulong Job = 0xC0FFEE;

    // Longer than a piece, so that the first file ends within one.
    private static readonly DeliveredSet _set = DeliveredSet.Of([.. new[] { 200_000, 0, 100_000 }.Select(Bytes)]);

    private readonly TemporaryFolder _folder = new();
    private readonly ScriptedCoordinator _coordinator = new(Job);
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();

    public void Dispose()
    {
        _coordinator.Dispose();
        _folder.Dispose();
    }

    private DeliveryCache Cache => new(_folder.At("cache"));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Delivered_data_is_in_the_cache_and_the_link_stays_open(bool isShared)
    {
        using var writer = Begin();
        using var link = await LinkAsync(writer, initialBytes: 300_000, isShared);
        _coordinator.SendInitial(Bytes(300_000));
        _coordinator.SendData(_set.Bytes);
        // For the next owner of the link.
        _coordinator.SendState(3, 17, [1, 2, 3]);
        using var delivered = await link.CompleteAsync(default).Soon();
        link.Dispose();
        Assert.NotNull(Cache.Find(_set.Key));
        Assert.Equal(Bytes(300_000), delivered.Initial);

        FrameHeader header = default;
        Assert.True(SpinWait.SpinUntil(() => delivered.Pipe.TryReceive(out header, out _), Patience.Limit));
        Assert.Equal((FrameKind.State, 3, 17), (header.Kind, header.Generation, header.Round));
        Assert.Equal(0, await RefusedAsync());
    }

    [Fact]
    public async Task Damaged_data_is_rejected_counted_and_leaves_nothing()
    {
        byte[] damaged = [.. _set.Bytes];
        damaged[^1] ^= 1;
        var refused = await Assert.ThrowsAsync<DataException>(() => ReceiveAsync(() => _coordinator.SendData(damaged)));
        Assert.StartsWith("'2/folder/2.bin' was received with the SHA-256 ", refused.Message, StringComparison.Ordinal);
        await AssertNothingIsLeftAsync(refusals: 1);
    }

    [Fact]
    public async Task A_transfer_that_breaks_off_leaves_nothing()
    {
        var broken = await Assert.ThrowsAsync<LinkException>(() => ReceiveAsync(() =>
        {
            _coordinator.SendData(_set.Bytes.AsMemory(0, FrameHeader.MaxLength + 5));
            _coordinator.Close("gone");
        }));
        Assert.True(broken.IsDisconnect);
        await AssertNothingIsLeftAsync(refusals: 0);
    }

    [Theory]
    [InlineData("../../outside")]
    [InlineData("/outside")]
    [InlineData("a/../../../outside")]
    [InlineData("a\\outside")]
    public async Task A_name_outside_the_folder_is_rejected_counted_and_leaves_nothing(string name)
    {
        var hostile = Hostile(name);
        using var writer = Cache.Begin(hostile.Key, hostile.ManifestBytes, 1);
        using var link = await LinkAsync(writer);
        _coordinator.SendData(hostile.Bytes);
        await Assert.ThrowsAsync<DataException>(() => link.CompleteAsync(default).Soon());
        link.Dispose();
        writer.Dispose();
        await AssertNothingIsLeftAsync(refusals: 1);
        Assert.Equal(["cache"], Directory.EnumerateFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Pieces_out_of_order_are_rejected()
    {
        await AssertRefusedAsync("from byte 1; byte 0 was expected", () => _coordinator.SendData(_set.Bytes, offset: 1));
        await AssertNothingIsLeftAsync(refusals: 1);
    }

    [Fact]
    public async Task A_repeated_piece_is_rejected()
    {
        await AssertRefusedAsync($"from byte 0; byte {FrameHeader.MaxLength} was expected", () =>
        {
            _coordinator.SendData(_set.Bytes.AsMemory(0, FrameHeader.MaxLength));
            _coordinator.SendData(_set.Bytes);
        });
        await AssertNothingIsLeftAsync(refusals: 1);
    }

    [Fact]
    public async Task Another_kind_of_frame_is_rejected()
    {
        await AssertRefusedAsync("a frame of kind Present where data was expected", () =>
            _coordinator.Send(new(FrameKind.Present, Job, 1, 0, 0, default, 0)));
        await AssertNothingIsLeftAsync(refusals: 1);
    }

    [Fact]
    public async Task Parameters_that_were_not_announced_are_rejected()
    {
        await AssertRefusedAsync("a frame of kind Initial where data was expected", () => _coordinator.SendInitial([1, 2, 3]));
        await AssertNothingIsLeftAsync(refusals: 1);
    }

    [Fact]
    public async Task A_deleted_folder_is_reported_to_the_user()
    {
        using var writer = Begin();
        using var link = await LinkAsync(writer);
        foreach (var partial in Directory.EnumerateDirectories(_folder.At("cache"))) Directory.Delete(partial, recursive: true);
        _coordinator.SendData(_set.Bytes);
        var refused = await Assert.ThrowsAsync<DataException>(() => link.CompleteAsync(default).Soon());
        Assert.StartsWith("the data that the coordinator sends cannot be written into '", refused.Message, StringComparison.Ordinal);
        Assert.Equal(0, await RefusedAsync());
    }

    private DeliveryWriter Begin() => Cache.Begin(_set.Key, _set.ManifestBytes, _set.Bytes.Length - _set.ManifestBytes);

    private async Task<DeliveryLink> LinkAsync(DeliveryWriter writer, long initialBytes = 0, bool isShared = false)
    {
        var pipe = await LinkHandshake.ConnectAsync(ScriptedCoordinator.Host, _coordinator.Port, new(Job, _coordinator.Token, "w7"),
            new() { SharedMemory = isShared }, default).Soon();
        return new(Job, pipe, writer, initialBytes, new WorkerMetrics(_registry, "cpu").Links);
    }

    private async Task ReceiveAsync(Action send)
    {
        using var writer = Begin();
        using var link = await LinkAsync(writer);
        send();
        (await link.CompleteAsync(default).Soon()).Dispose();
    }

    private async Task AssertRefusedAsync(string reason, Action send) =>
        Assert.Contains(reason, (await Assert.ThrowsAsync<LinkException>(() => ReceiveAsync(send))).Message, StringComparison.Ordinal);

    private async Task AssertNothingIsLeftAsync(int refusals)
    {
        Assert.Equal(refusals, await RefusedAsync());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.At("cache")));
    }

    private async Task<double> RefusedAsync()
    {
        using var page = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(page);
        var sample = $"{MetricNames.RefusedFrames}{{reason=\"{MetricLabels.Violation}\"}} ";
        return double.Parse(Encoding.UTF8.GetString(page.ToArray()).Split('\n')
            .Single(line => line.StartsWith(sample, StringComparison.Ordinal))[sample.Length..]);
    }

    // A correct coordinator never sends this.
    private static DeliveredSet Hostile(string name)
    {
        var manifest = DataManifest.Of([new(new string('x', name.Length), 1, new('0', 64))]).ToBytes();
        var at = manifest.AsSpan().IndexOf(Encoding.UTF8.GetBytes(new string('x', name.Length)));
        Encoding.UTF8.GetBytes(name).CopyTo(manifest.AsSpan(at));
        return new(DataManifest.KeyOf(manifest), manifest.Length, [.. manifest, 0]);
    }

    private static byte[] Bytes(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)Permutation.Mix(length, i, 0))];
}
