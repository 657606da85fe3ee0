using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Distributed.Hosting.Security;
using Distributed.Shared.Tests.Links;

namespace Distributed.Shared.Tests.Security;

/// <summary>An untrusted process that connects to ports and accepts any certificate.</summary>
internal static class Stranger
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

#pragma warning disable CA5359 // It must accept any certificate.
    /// <summary>Accepts any certificate.</summary>
    public static readonly RemoteCertificateValidationCallback BelievesAll = (_, _, _, _) => true;
#pragma warning restore CA5359

    /// <summary>Connects, behaves as its kind says, and waits until the other end has closed the connection.</summary>
    public static async Task ConnectAsync(string who, int port, CertificateFolders folders)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        switch (who)
        {
            case "scan":
                return;
            case "garbage":
                await socket.SendAllAsync(FrameGen.Payload(1000, 1));
                break;
            case "a frame in the clear":
                // A frame of Akka: its length, and some bytes.
                await socket.SendAllAsync((byte[])[20, 0, 0, 0, .. FrameGen.Payload(20, 1)]);
                break;
            case "silence":
                break;
            case "a byte at a time":
                // The beginning of a handshake that stops.
                foreach (var piece in (byte[])[22, 3, 1, 1, 0, 1])
                {
                    await socket.SendAllAsync(new[] { piece });
                    await Task.Delay(TimeSpan.FromMilliseconds(50));
                }
                break;
            default:
                await ShowAsync(socket, who, folders);
                return;
        }
        await EndsAsync(new NetworkStream(socket));
    }

    /// <summary>Its certificate; null for none.</summary>
    public static X509Certificate2? Shown(string who, CertificateFolders folders)
    {
        var now = CertificateFolders.Now;
        return who switch
        {
            "no certificate" => null,
            "another authority" => Of(folders.Issue(folders.NewAuthority())),
            "itself" => SelfSigned(),
            "for servers" => Of(folders.Issue(null, null, null, null, ServerAuthentication)),
            "expired" => Of(folders.Issue(from: now.AddDays(-3), until: now.AddDays(-2))),
            "another name" => Of(folders.Issue(hosts: ["elsewhere.example"])),
            _ => Of(folders.Issue()),
        };
    }

    /// <summary>Reads until the connection is closed.</summary>
    public static Task EndsAsync(Stream stream) => IgnoringAsync(async () =>
    {
        var bytes = new byte[100];
        while (await stream.ReadAsync(bytes).AsTask().Soon() > 0)
        {
            // What the other end sends before it closes.
        }
    });

    /// <summary>Ignores how the connection is closed.</summary>
    public static async Task IgnoringAsync(Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (Exception error) when (error is IOException or AuthenticationException or SocketException)
        {
            // Expected.
        }
    }

    private static async Task ShowAsync(Socket socket, string who, CertificateFolders folders)
    {
        var network = new NetworkStream(socket);
        using var stream = new SslStream(network);
        var shown = Shown(who, folders);
        await IgnoringAsync(() => stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = shown is null ? null : [shown],
            LocalCertificateSelectionCallback = shown is null ? null : (_, _, _, _, _) => shown,
            RemoteCertificateValidationCallback = BelievesAll,
        }));
        await EndsAsync(stream.IsAuthenticated ? stream : network);
    }

    private static X509Certificate2 Of(IssuedCertificate issued) => X509Certificate2.CreateFromPem(issued.Certificate, issued.Key);

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=Distributed node", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(CertificateFolders.Now.AddDays(-1), CertificateFolders.Now.AddDays(1));
    }
}
