using System.Net.Sockets;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Peers that write invalid contents into the memory.</summary>
public sealed class SharedMemoryPipeTests
{
    [Fact]
    public async Task Any_memory_contents_are_a_frame_or_a_violation()
    {
        await Gen.Select(Gen.Int, Gen.Int[0, 1000]).SampleAsync(async (seed, frames) =>
        {
            var (pipe, memory, doorbell) = await HostileAsync();
            using (pipe)
            using (memory)
            using (doorbell)
            {
                for (var i = 0; i < frames % 40; i++) pipe.TrySend(FrameGen.Numbered(i, 8), new byte[8]);
                Scribble(memory, new Random(seed));
                doorbell.Dispose();
                var (error, _) = pipe.UntilBroken();
                Assert.Contains("127.0.0.1:", error.Message, StringComparison.Ordinal);
            }
        }, iter: 100);
    }

    /// <summary>A pipe, and the memory and socket of its other end.</summary>
    private static async Task<(IFramePipe Pipe, LinkMemory Memory, Socket Doorbell)> HostileAsync()
    {
        var memory = LinkMemory.TryCreate()!;
        using var listener = PipePair.Listen();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!);
        var hello = new LinkHello(PipePair.Token, "hostile", memory.Offer).ToBytes();
        await socket.SendAllAsync(FrameGen.Bytes(new(FrameKind.Hello, PipePair.Job, 0, 0, 0, default, hello.Length), hello));
        var (_, pipe) =
            await LinkHandshake.AcceptAsync(await listener.AcceptAsync(), PipePair.Job, PipePair.Token, _ => true, new(), default).Soon();
        Assert.IsType<SharedMemoryPipe>(pipe);
        return (pipe, memory, socket);
    }

    /// <summary>Counters near the true ones too, to reach the checks behind them.</summary>
    private static void Scribble(LinkMemory memory, Random random)
    {
        for (var at = 4096; at < memory.Offer.Bytes; at += 64)
            if (random.Next(4) == 0) Marshal.WriteInt64(memory.DangerousGetHandle(), at + random.Next(56), random.NextInt64());
        for (var line = 128; line < 4096; line += 128)
            Marshal.WriteInt64(memory.DangerousGetHandle(), line, random.Next(3) == 0 ? random.NextInt64() : random.Next(20));
    }
}
