using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Net;
using System.Net.Sockets;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Shared.Tests.Metrics;
using Distributed.Tests.Fuzzing;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging.Abstractions;

namespace Distributed.Shared.Tests.Links;

/// <summary>Any bytes received over a link are frames or refused with a reason, and cost no more memory than they have.</summary>
public sealed class FrameFuzzTests
{
    private const int ChecksumOffset = 48;

    private static readonly byte[][] _frames =
    [
        Frame(FrameKind.Contribution, 3, new(0, 2), 300),
        Frame(FrameKind.Present, 0, default, 0),
        Frame(FrameKind.Average, 1, default, 12),
        Frame(FrameKind.State, 0, new(1, 40), 40),
        Frame(FrameKind.Data, 0, default, 100),
    ];

    private static readonly byte[][] _greetings =
    [
        Greeting(new(PipePair.Token, "worker-1", null)),
        Greeting(new(PipePair.Token, new('w', LinkHello.MaxNameLength), new LinkMemoryOffer(Guid.Empty, 1, 2, 3, 4 << 20))),
    ];

    [Fact]
    public void Any_header_is_parsed_or_refused()
    {
        var fuzzer = Fuzzer.Run(300_000, _frames, bytes =>
        {
            // As a pipe does: it waits for missing bytes without allocating.
            if (bytes.Length < FrameHeader.Size) return "it waits for a header";
            // Half of them get a valid checksum, so that later checks are reached.
            if (bytes[^1] % 2 == 0) Seal(bytes);
            try
            {
                var header = FrameCodec.Read(bytes);
                if (bytes.Length < FrameHeader.Size + header.Length) return "it waits for a payload";
                FrameCodec.Verify(bytes.AsSpan(0, FrameHeader.Size), bytes.AsSpan(FrameHeader.Size, header.Length));
                return null;
            }
            catch (LinkException refused)
            {
                return refused.Message;
            }
        }, allowance: 8 << 10, perByte: 0);
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.Equal(
            [
                "frame of # bytes received, at most # allowed", "frame of unknown kind # received",
                "frame received whose checksum does not match its bytes",
                "frame version # received, version # spoken here", "it waits for a header", "it waits for a payload",
                "the bytes received are not a frame",
            ], fuzzer.Refused.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Any_greeting_is_parsed_or_refused()
    {
        var valid = _greetings.Select(frame => frame[FrameHeader.Size..]).ToList();
        var fuzzer = Fuzzer.Run(200_000, valid, bytes =>
        {
            if (LinkHello.Read(bytes) is not { } hello) return "no greeting";
            Assert.Equal(bytes, hello.ToBytes());
            return null;
        }, allowance: 8 << 10, perByte: 10);
        Assert.InRange(fuzzer.Accepted, 1, int.MaxValue);
        Assert.InRange(fuzzer.Refusals, 1, int.MaxValue);
    }

    [Fact]
    public async Task Any_connection_becomes_a_link_or_is_refused_and_counted()
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var established = new ConcurrentQueue<IFramePipe>();
        using var listener = new LinkListener(
            new(IPAddress.Loopback, 0),
            PipePair.Job,
            PipePair.Token,
            _ => true,
            (_, pipe) => established.Enqueue(pipe),
            new TrainingMetrics(registry).Links,
            NullLogger.Instance,
            new LinkOptions { SharedMemory = false });
        var fuzzer = Fuzzer.Run(1_000, _greetings, bytes =>
        {
            if (bytes.Length > FrameHeader.Size && bytes[^1] % 2 == 0) Seal(bytes);
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(IPAddress.Loopback, listener.Port);
            var answer = new byte[FrameHeader.Size + 1];
            var received = 0;
            try
            {
                socket.Send(bytes);
                socket.Shutdown(SocketShutdown.Send);
                while (received < answer.Length && socket.Receive(answer.AsSpan(received)) is > 0 and var count) received += count;
            }
            catch (SocketException)
            {
                // Refused before all bytes were received.
            }
            return received == answer.Length ? null : "refused";
        });
        using var overdue = new CancellationTokenSource(Loopback.Timeout);
        while (established.Count + await RefusedAsync() < 1_000 + (2 * _greetings.Length)) await Task.Delay(1, overdue.Token);
        Assert.Equal(fuzzer.Refusals, await RefusedAsync());
        Assert.Equal(fuzzer.Accepted + (2 * _greetings.Length), established.Count);
        foreach (var pipe in established) pipe.Dispose();

        async Task<double> RefusedAsync()
        {
            var page = await Exposition.Of(registry);
            return Enum.GetValues<Refusal>().Select(reason => $"{reason}".ToLowerInvariant()).Sum(reason =>
                page[$"{MetricNames.RefusedConnections}{{plane=\"{MetricLabels.Links}\",reason=\"{reason}\"}}"]);
        }
    }

    [Fact]
    public async Task Any_stream_yields_frames_and_then_its_end_or_a_counted_violation()
    {
        var valid = new List<byte[]> { _frames.SelectMany(frame => frame).ToArray(), _frames[0] };
        using var listener = PipePair.Listen();
        var address = (IPEndPoint)listener.LocalEndPoint!;
        var registry = Prometheus.Metrics.NewCustomRegistry();
        using var end = new LinksEnd(new TrainingMetrics(registry).Links);
        end.Links.BeginHelp();
        var fuzzer = Fuzzer.Run(2_000, valid, bytes =>
        {
            if (bytes.Length > FrameHeader.Size && bytes[^1] % 2 == 0) Seal(bytes);
            using var here = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            here.Connect(address);
            here.Send(bytes);
            here.Shutdown(SocketShutdown.Send);
            var link = end.Connect("there", new SocketPipe(listener.Accept()));
            Assert.True(SpinWait.SpinUntil(() => end.Move() || end.Reason(link) is not null, Loopback.Timeout));
            while (end.Reason(link) is null) end.Move();
            var at = 0;
            foreach (var (header, payload) in end.Received(link))
            {
                Assert.Equal(FrameCodec.Read(bytes.AsSpan(at)), header);
                Assert.True(bytes.AsSpan(at + FrameHeader.Size, header.Length).SequenceEqual(payload));
                at += FrameHeader.Size + header.Length;
            }
            var reason = end.Reason(link)!;
            return reason.EndsWith(" closed the connection", StringComparison.Ordinal) && at == bytes.Length
                ? null
                : reason[reason.IndexOf(' ', StringComparison.Ordinal)..];
        }, perByte: 200);
        Assert.InRange(fuzzer.Refused.Count, 3, 20);
        var violations = fuzzer.Refused.Where(refused => refused.Key.Contains("broke the rules of the link", StringComparison.Ordinal))
            .Sum(refused => refused.Value);
        Assert.Equal(violations, (await Exposition.Of(registry))[$"{MetricNames.RefusedFrames}{{reason=\"{MetricLabels.Violation}\"}}"]);
        end.Links.EndHelp(isBusy: false);
    }

    [Fact]
    public void Any_piece_of_a_state_is_added_or_refused()
    {
        // A state of three pieces, the last one short: index, number of pieces, bytes in all, bytes received.
        const int Bytes = (2 * FrameHeader.MaxLength) + 7;
        var pieces = new byte[FrameHeader.MaxLength];
        var valid = Enumerable.Range(0, 3).Select(piece => Numbers(piece, 3, Bytes, piece < 2 ? FrameHeader.MaxLength : 7)).ToList();
        var fuzzer = Fuzzer.Run(10_000, [[.. valid.SelectMany(piece => piece)]], bytes =>
        {
            var assembly = new StateAssembly(Bytes);
            var next = 0;
            for (var at = 0; at + 16 <= bytes.Length; at += 16)
            {
                var (piece, count, total, length) =
                    (Number(bytes, at), Number(bytes, at + 4), Number(bytes, at + 8), Number(bytes, at + 12));
                try
                {
                    var state = assembly.Add(
                        new(FrameKind.State, 1, 1, 0, piece, new(count, total), 0),
                        pieces.AsSpan(0, Math.Clamp(length, 0, pieces.Length)));
                    if (state is not null) return next == 2 && state.Length == Bytes ? null : "too early";
                    next++;
                }
                catch (LinkException refused)
                {
                    return refused.Message;
                }
            }
            return "it waits for the rest";
        }, allowance: Bytes + (8 << 10));
        Assert.DoesNotContain("too early", fuzzer.Refused.Keys);
        Assert.InRange(fuzzer.Refused.Count, 4, 10);
    }

    private static byte[] Frame(FrameKind kind, int slice, TreeNode node, int length)
    {
        var payload = FrameGen.Payload(length, slice);
        return FrameGen.Bytes(new(kind, PipePair.Job, 1, 17, slice, node, length), payload);
    }

    private static byte[] Greeting(LinkHello hello)
    {
        var payload = hello.ToBytes();
        return FrameGen.Bytes(new(FrameKind.Hello, PipePair.Job, 0, 0, 0, default, payload.Length), payload);
    }

    /// <summary>Sets the checksum of the first frame to that of its bytes.</summary>
    private static void Seal(byte[] bytes)
    {
        var length = Math.Clamp(BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(40)), 0, bytes.Length - FrameHeader.Size);
        var header = XxHash3.HashToUInt64(bytes.AsSpan(0, ChecksumOffset));
        BinaryPrimitives.WriteUInt64LittleEndian(
            bytes.AsSpan(ChecksumOffset),
            XxHash3.HashToUInt64(bytes.AsSpan(FrameHeader.Size, length), unchecked((long)header)));
    }

    private static byte[] Numbers(params ReadOnlySpan<int> numbers)
    {
        var bytes = new byte[sizeof(int) * numbers.Length];
        for (var i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(sizeof(int) * i), numbers[i]);
        return bytes;
    }

    private static int Number(byte[] bytes, int at) => BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));
}
