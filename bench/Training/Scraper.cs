using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <summary>
/// Reads the metrics of a coordinator and its workers over persistent connections, as Prometheus does, but does not parse them: it shares
/// the processors with the processes it reads, and should cost them no more than a reader on another machine.
/// </summary>
internal sealed class Scraper : IDisposable
{
    private readonly List<Socket> _pages = [];
    private readonly byte[] _request = Encoding.ASCII.GetBytes("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    private readonly byte[] _received = new byte[64 * 1024];

    private Scraper()
    {
    }

    /// <summary>Asks a coordinator for the metrics pages of the cluster, and connects to them.</summary>
    /// <param name="port">The port of the coordinator's metrics.</param>
    public static async Task<Scraper> ConnectAsync(int port, CancellationToken stopping)
    {
        var scraper = new Scraper();
        try
        {
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
            var targets = await client.GetStringAsync($"http://127.0.0.1:{port}/targets", stopping).ConfigureAwait(false);
            foreach (var target in JsonNode.Parse(targets)!.AsArray().SelectMany(group => group!["targets"]!.AsArray()))
            {
                var page = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 10_000 };
                scraper._pages.Add(page);
                await page.ConnectAsync(IPEndPoint.Parse(target!.GetValue<string>()), stopping).ConfigureAwait(false);
            }
            return scraper;
        }
        catch (Exception error) when (error is HttpRequestException or SocketException)
        {
            scraper.Dispose();
            throw new BenchException($"a page of metrics cannot be read: {error.Message}");
        }
    }

    /// <summary>Reads every page once.</summary>
    public void Read()
    {
        foreach (var page in _pages)
        {
            page.Send(_request);
            var read = 0;
            do
            {
                var got = page.Receive(_received, read, _received.Length - read, SocketFlags.None);
                if (got == 0) throw new BenchException($"a page of metrics ends early, or is longer than {_received.Length} bytes");
                read += got;
            }
            while (!_received.AsSpan(0, read).EndsWith("\r\n0\r\n\r\n"u8));
            if (!_received.AsSpan(0, read).StartsWith("HTTP/1.1 200"u8))
                throw new BenchException($"a page of metrics failed: {Encoding.ASCII.GetString(_received, 0, Math.Min(read, 100))}");
        }
    }

    public void Dispose() => _pages.ForEach(page => page.Dispose());
}
