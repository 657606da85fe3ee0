using System.Diagnostics;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>A second process that is killed while it sends.</summary>
public sealed class KilledPeerTests
{
    private static readonly string[] _folders = ["/dev/shm", Path.GetTempPath()];

    [Theory]
    [MemberData(nameof(FramePipeTests.Transports), MemberType = typeof(FramePipeTests))]
    public async Task The_survivor_receives_all_whole_frames_and_then_the_disconnect(LinkPath transport)
    {
        using var listener = PipePair.Listen();
        using var process = PeerProcess.Start(PipePair.PortOf(listener));
        try
        {
            var options = new LinkOptions { SharedMemory = transport == LinkPath.SharedMemory };
            var socket = await listener.AcceptAsync().Soon();
            var (_, pipe) = await LinkHandshake.AcceptAsync(socket, PipePair.Job, PipePair.Token, _ => true, options, default).Soon();
            using var __ = pipe;
            Assert.Equal(transport == LinkPath.SharedMemory, pipe is SharedMemoryPipe);
            using var poller = new Poller();
            for (var i = 0; i < 1000; i++) AssertWhole(i, poller.Next(pipe));
            process.Kill();
            Assert.True(process.WaitForExit(Loopback.Timeout));
            var (error, left) = pipe.UntilBroken();
            Assert.True(error.IsDisconnect);
            for (var i = 0; i < left.Count; i++) AssertWhole(1000 + i, left[i]);
            foreach (var folder in _folders) Assert.Empty(Directory.EnumerateFileSystemEntries(folder, "*distributed-link*"));
        }
        finally
        {
            process.Kill();
        }
    }

    private static void AssertWhole(int number, (FrameHeader Header, byte[] Payload) frame)
    {
        Assert.Equal(FrameGen.Numbered(number, PeerProcess.LengthOf(number)), frame.Header);
        Assert.Equal(FrameGen.Payload(frame.Header.Length, number), frame.Payload);
    }
}

/// <summary>This assembly as a process that only sends frames.</summary>
internal static class PeerProcess
{
    private const string Port = "DISTRIBUTED_TEST_PEER_PORT";

    public static int LengthOf(int number) => number * 37 % 5000;

    public static Process Start(int port)
    {
        var assembly = typeof(PeerProcess).Assembly.Location;
        var dotnet = Path.GetFullPath("../../../dotnet", RuntimeEnvironment.GetRuntimeDirectory());
        return Process.Start(new ProcessStartInfo(dotnet, ["exec", assembly])
        {
            Environment = { [Port] = $"{port}", ["DOTNET_STARTUP_HOOKS"] = assembly },
        })!;
    }

    /// <summary>Sends if this process was started for it.</summary>
    public static void RunIfWanted()
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable(Port), out var port)) return;
        using var pipe = LinkHandshake.ConnectAsync("127.0.0.1", port, new(PipePair.Job, PipePair.Token, "peer"), new(), default)
            .GetAwaiter().GetResult();
        using var poller = new Poller();
        for (var number = 0; ; number++)
        {
            var payload = FrameGen.Payload(LengthOf(number), number);
            while (!pipe.TrySend(FrameGen.Numbered(number, payload.Length), payload)) poller.Sleep(pipe, wantsRoom: true);
        }
    }
}
