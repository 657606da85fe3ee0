using System.Net;
using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class DownloaderTests : IDisposable
{
    private static readonly Uri _source = new("http://data.example/");
    private static readonly byte[] _content = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i * 7 / 3))];
    private static readonly PublishedFile _file = new("numbers", _content.Length, Convert.ToHexStringLower(SHA256.HashData(_content)));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_of_the_right_content_appears_under_its_name()
    {
        await Fetch(new ByteArrayContent(IdxBytes.Gzipped(_content)));
        Assert.Equal([_folder.At("new", "numbers")], Directory.GetFileSystemEntries(_folder.At("new")));
        Assert.Equal(_content, File.ReadAllBytes(_folder.At("new", "numbers")));
    }

    [Fact]
    public async Task Other_content_is_refused()
    {
        byte[] other = [.. _content];
        other[1234] ^= 1;
        await Refused(new ByteArrayContent(IdxBytes.Gzipped(other)), "SHA-256");
        await Refused(new ByteArrayContent(IdxBytes.Gzipped(_content.AsSpan(1))), "SHA-256");
        await Refused(new ByteArrayContent(IdxBytes.Gzipped([.. _content, 0])), "more than the 200000 bytes");
    }

    [Fact]
    public async Task A_page_in_place_of_the_file_is_refused() =>
        await Refused(new StringContent("<html>Log in</html>"), "not an intact gzip file");

    [Fact]
    public async Task A_truncated_archive_is_refused() =>
        await Refused(new ByteArrayContent(IdxBytes.Gzipped(_content)[..^1000]), "numbers");

    [Fact]
    public async Task An_endless_answer_is_cut_off() => await Refused(new StreamContent(new EndlessStream()), "not an intact gzip file");

    [Fact]
    public async Task A_gzip_bomb_is_cut_off() =>
        await Refused(new ByteArrayContent(IdxBytes.Gzipped(new byte[64 << 20])), "more than the 200000 bytes");

    [Fact]
    public async Task A_download_without_an_answer_times_out() =>
        await Refused(new StreamContent(new StalledStream()), "did not arrive within 0.02 s", TimeSpan.FromMilliseconds(20));

    [Fact]
    public async Task A_refusal_by_the_server_is_reported()
    {
        using var network = new RefusingNetwork();
        await Assert.ThrowsAsync<DataException>(() =>
            new Downloader(network, TimeSpan.FromMinutes(1)).FetchAsync(_source, _file, _folder.Path));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_created_is_reported()
    {
        File.WriteAllText(_folder.At("new"), "a file where the folder would be");
        var e = await Assert.ThrowsAsync<DataException>(() => Fetch(new ByteArrayContent([])));
        Assert.Contains(_folder.At("new"), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_earlier_file_survives_a_failed_download()
    {
        await Fetch(new ByteArrayContent(IdxBytes.Gzipped(_content)));
        await Assert.ThrowsAsync<DataException>(() => Fetch(new ByteArrayContent([1, 2, 3])));
        Assert.Single(Directory.GetFileSystemEntries(_folder.At("new")));
    }

    private async Task Refused(HttpContent answer, string message, TimeSpan? timeout = null)
    {
        var e = await Assert.ThrowsAsync<DataException>(() => Fetch(answer, timeout));
        Assert.Contains("http://data.example/numbers.gz", e.Message, StringComparison.Ordinal);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.At("new")));
    }

    private async Task Fetch(HttpContent answer, TimeSpan? timeout = null)
    {
        using var network = new FakeNetwork(_ => answer);
        await new Downloader(network, timeout ?? TimeSpan.FromMinutes(1)).FetchAsync(_source, _file, _folder.At("new"));
    }

    private sealed class RefusingNetwork : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.NotFound));
    }

    private class EndlessStream : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            Array.Clear(buffer, offset, count);
            return count;
        }

        public override void Flush() => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    private sealed class StalledStream : EndlessStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }
}
