using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Distributed.Hosting.Security;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>A client that connects to a port without credentials.</summary>
/// <param name="open">A socket on a machine from which the port is reached.</param>
internal sealed class Stranger(Func<Socket> open) : IDisposable
{
    private readonly List<Socket> _silent = [];

    /// <summary>Sends every kind of garbage to a port, several times; silent connections stay open.</summary>
    public async Task AnnoyAsync(IPEndPoint port, int times)
    {
        using var authority = CertificateAuthority.Create(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var issued = authority.Issue(["localhost"], DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        using var certificate = X509Certificate2.CreateFromPem(issued.Certificate, issued.Key);
        for (var i = 0; i < times; i++)
        {
            (await ConnectAsync(port)).Dispose();
            await SendAsync(port, Random(i, 5000));
            // The beginning of a frame of either plane, without TLS.
            await SendAsync(port, [0, 0, 0, 20, .. Random(i, 20)]);
            await ShowAsync(port, null);
            await ShowAsync(port, certificate);
            var slow = await ConnectAsync(port);
            _silent.Add(slow);
            _silent.Add(await ConnectAsync(port));
            await slow.SendAsync(new byte[] { 22 });
        }
    }

    public void Dispose() => _silent.ForEach(socket => socket.Dispose());

    private static byte[] Random(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private async Task<Socket> ConnectAsync(IPEndPoint port)
    {
        var socket = open();
        await socket.ConnectAsync(port).WaitAsync(ProgramRun.Timeout);
        return socket;
    }

    private async Task SendAsync(IPEndPoint port, byte[] bytes)
    {
        using var socket = await ConnectAsync(port);
        await EndsAsync(new NetworkStream(socket), bytes);
    }

    private async Task ShowAsync(IPEndPoint port, X509Certificate2? certificate)
    {
        using var socket = await ConnectAsync(port);
#pragma warning disable CA5359 // A stranger believes everybody.
        using var stream = new SslStream(
            new NetworkStream(socket), leaveInnerStreamOpen: false, (_, _, _, _) => true,
            certificate is null ? null : (_, _, _, _, _) => certificate);
#pragma warning restore CA5359
        try
        {
            await stream.AuthenticateAsClientAsync("localhost").WaitAsync(ProgramRun.Timeout);
            await EndsAsync(stream, [1]);
        }
        catch (Exception error) when (error is IOException or AuthenticationException)
        {
            // Rejected at once.
        }
    }

    /// <summary>Sends, and waits until the other end has closed the connection.</summary>
    private static async Task EndsAsync(Stream stream, byte[] bytes)
    {
        try
        {
            await stream.WriteAsync(bytes);
            while (await stream.ReadAsync(new byte[1000]).AsTask().WaitAsync(ProgramRun.Timeout) > 0)
            {
                // Its answer.
            }
        }
        catch (IOException)
        {
            // Reset, since the other end had unread data.
        }
    }
}
