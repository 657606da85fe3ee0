using Distributed.Shared.Kernel;
using Distributed.Shared.Links;

namespace Distributed.Shared.Tests.Links;

/// <summary>Links that keep to the rules, over real sockets.</summary>
public sealed class TensorLinkTests
{
    /// <summary>Room for the longest payload.</summary>
    private static readonly VectorLayout _layout = new(FrameHeader.MaxLength / sizeof(float), 1);

    private static readonly Gen<(int Length, int Seed)[]> _anyFrames = Gen.Select(FrameGen.Length, Gen.Int).Array[1, 40];

    [Fact]
    public Task Frames_go_both_ways_at_once_in_order_and_unchanged() => Gen.Select(_anyFrames, _anyFrames).SampleAsync(async (there, back) =>
    {
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, other) = await Loopback.ConnectAsync();
            var atHome = new ScriptedReceiver { OnBegin = ScriptedReceiver.Into(buffers), Expected = back.Length };
            var abroad = new ScriptedReceiver { OnBegin = ScriptedReceiver.Into(buffers), Expected = there.Length };
            using TensorLink from = new(here, atHome), to = new(other, abroad);
            var running = Task.WhenAll(from.RunAsync(), to.RunAsync());
            await Task.WhenAll(Task.Run(() => SendAll(from, buffers, there)), Task.Run(() => SendAll(to, buffers, back))).Soon();
            await Task.WhenAll(atHome.Arrived, abroad.Arrived).Soon();
            from.Close("done");
            await running.Soon();
            AssertReceived(there, abroad);
            AssertReceived(back, atHome);
            Assert.Equal((Bytes(there), Bytes(back)), (to.BytesReceived, from.BytesReceived));
            Assert.Equal((Bytes(there), Bytes(back)), (from.BytesSent, to.BytesSent));
            buffers.AssertAllReturned();
        }
    }, iter: 20, threads: 1);

    [Fact]
    public async Task Every_sending_thread_keeps_its_order()
    {
        const int Senders = 4, Frames = 500;
        var (here, there) = await Loopback.ConnectAsync();
        var receiver = new ScriptedReceiver { Expected = Senders * Frames };
        using TensorLink from = new(here, new ScriptedReceiver()), to = new(there, receiver);
        var running = Task.WhenAll(from.RunAsync(), to.RunAsync());
        await Task.WhenAll(Enumerable.Range(0, Senders).Select(sender => Task.Run(() =>
        {
            for (var i = 0; i < Frames; i++) from.Send(FrameGen.Numbered(i, 4) with { Generation = sender }, BitConverter.GetBytes(i));
        }))).Soon();
        await receiver.Arrived.Soon();
        from.Close("done");
        await running.Soon();
        foreach (var frames in receiver.Received.GroupBy(f => f.Header.Generation))
        {
            Assert.Equal(Enumerable.Range(0, Frames), frames.Select(f => f.Header.Slice));
            Assert.All(frames, f => Assert.Equal(f.Header.Slice, BitConverter.ToInt32(f.Payload)));
        }
    }

    [Fact]
    public Task Discarded_frames_leave_the_others_as_they_are() => Gen.Select(_anyFrames, Gen.Int).SampleAsync(async (frames, choice) =>
    {
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, there) = await Loopback.ConnectAsync();
            bool IsWanted(int number) => number == frames.Length || new Random(choice ^ number).Next(2) == 0;
            var into = ScriptedReceiver.Into(buffers);
            var receiver = new ScriptedReceiver
            {
                OnBegin = header => IsWanted(header.Slice) ? into(header) : FrameTarget.Discard,
                Expected = Enumerable.Range(0, frames.Length + 1).Count(IsWanted),
            };
            using TensorLink from = new(here, new ScriptedReceiver()), to = new(there, receiver);
            var running = Task.WhenAll(from.RunAsync(), to.RunAsync());
            SendAll(from, buffers, frames);
            from.Send(FrameGen.Numbered(frames.Length, 0), default);
            await receiver.Arrived.Soon();
            from.Close("done");
            await running.Soon();
            Assert.Equal(Enumerable.Range(0, frames.Length + 1).Where(IsWanted), receiver.Received.Select(f => f.Header.Slice));
            Assert.All(receiver.Received.SkipLast(1), f => Assert.Equal(FrameGen.Payload(f.Header.Length, frames[f.Header.Slice].Seed), f.Payload));
            buffers.AssertAllReturned();
        }
    }, iter: 20, threads: 1);

    [Fact]
    public async Task A_peer_that_does_not_read_does_not_hold_up_the_sender()
    {
        // More than the sockets' buffers take.
        (int Length, int Seed)[] frames = [.. Enumerable.Range(0, 100).Select(seed => (FrameHeader.MaxLength, seed))];
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, there) = await Loopback.ConnectAsync();
            var receiver = new ScriptedReceiver { Expected = frames.Length };
            using TensorLink from = new(here, new ScriptedReceiver()), to = new(there, receiver);
            var sending = from.RunAsync();
            await Task.Run(() => SendAll(from, buffers, frames)).Soon();
            var receiving = to.RunAsync();
            await receiver.Arrived.Soon();
            from.Close("done");
            await Task.WhenAll(sending, receiving).Soon();
            AssertReceived(frames, receiver);
            buffers.AssertAllReturned();
        }
    }

    [Fact]
    public async Task Running_a_link_leaves_its_caller_free_although_frames_are_there_already()
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var goOn = new ManualResetEventSlim();
        var receiver = new ScriptedReceiver { OnComplete = _ => Assert.True(goOn.Wait(Loopback.Patience)), Expected = 1 };
        using var _ = here;
        await here.SendAllAsync(FrameGen.Bytes(FrameGen.Numbered(0, 0), []));
        using var link = new TensorLink(there, receiver);
        var running = link.RunAsync();
        Assert.False(running.IsCompleted);
        goOn.Set();
        await receiver.Arrived.Soon();
        link.Close("done");
        await running.Soon();
    }

    private static void SendAll(TensorLink link, PooledBuffers buffers, (int Length, int Seed)[] frames)
    {
        for (var i = 0; i < frames.Length; i++)
        {
            var buffer = buffers.Rent();
            var payload = buffer.Memory[..frames[i].Length];
            FrameGen.Fill(payload.Span, frames[i].Seed);
            link.Send(FrameGen.Numbered(i, payload.Length), payload, buffer);
            buffer.Release();
        }
    }

    private static void AssertReceived((int Length, int Seed)[] sent, ScriptedReceiver receiver)
    {
        Assert.Equal(sent.Select((f, i) => FrameGen.Numbered(i, f.Length)), receiver.Received.Select(f => f.Header));
        Assert.All(receiver.Received, (f, i) => Assert.True(FrameGen.Payload(sent[i].Length, sent[i].Seed).AsSpan().SequenceEqual(f.Payload)));
        Assert.Equal(1, receiver.TimesClosed);
    }

    private static long Bytes((int Length, int Seed)[] frames) => frames.Sum(f => (long)FrameHeader.Size + f.Length);
}
