using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Transport.Pipes;

/// <summary>
/// Sleeps until one of several descriptors has something to report, with poll(2). One thread fills it, waits and looks;
/// only <see cref="Wake"/> is for every thread.
/// </summary>
internal sealed unsafe class Poller : IDisposable
{
    private readonly SafeFileHandle _alarm;
    private Libc.PollDescriptor* _descriptors;
    private int _capacity = 16;
    private int _count;

    /// <exception cref="IOException">The system gives no more descriptors.</exception>
    public Poller()
    {
        _alarm = new(Libc.CreateEvent(0, Libc.EventCloseOnExec | Libc.EventNonBlocking), ownsHandle: true);
        if (_alarm.IsInvalid) throw new IOException($"no event to wait on: {Marshal.GetLastPInvokeErrorMessage()}");
        _descriptors = (Libc.PollDescriptor*)NativeMemory.Alloc((nuint)_capacity, (nuint)sizeof(Libc.PollDescriptor));
        _descriptors[0] = new() { Descriptor = (int)_alarm.DangerousGetHandle(), Events = Libc.PollIn };
        Clear();
    }

    public void Clear() => _count = 1;

    /// <param name="descriptor">Open while <see cref="Wait"/> runs.</param>
    /// <param name="events">As in poll(2); errors and hang-ups are always reported.</param>
    /// <returns>Its index for <see cref="Reported"/>: 0 for the first after <see cref="Clear"/>, and so on.</returns>
    public int Add(int descriptor, short events)
    {
        ObjectDisposedException.ThrowIf(_descriptors == null, this);
        if (_count == _capacity)
            _descriptors = (Libc.PollDescriptor*)NativeMemory.Realloc(_descriptors, (nuint)((_capacity *= 2) * sizeof(Libc.PollDescriptor)));
        _descriptors[_count] = new() { Descriptor = descriptor, Events = events };
        return _count++ - 1;
    }

    /// <summary>Sleeps until a descriptor has something to report, <see cref="Wake"/> is called (also before), or the time is over.</summary>
    /// <param name="longest">Not negative; null for as long as it takes.</param>
    /// <exception cref="IOException">The system refuses.</exception>
    public int Wait(TimeSpan? longest)
    {
        ObjectDisposedException.ThrowIf(_descriptors == null, this);
        var end = longest is { } time ? Environment.TickCount64 + (long)Math.Ceiling(time.TotalMilliseconds) : long.MaxValue;
        while (true)
        {
            var left = end == long.MaxValue ? -1 : (int)Math.Clamp(end - Environment.TickCount64, 0, int.MaxValue);
            var ready = Libc.Poll(_descriptors, (nuint)_count, left);
            if (ready >= 0) return _descriptors[0].Reported == 0 ? ready : ready - Quieten();
            if (Marshal.GetLastPInvokeError() != Libc.Interrupted)
                throw new IOException($"the connections cannot be waited for: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    /// <summary>What the last <see cref="Wait"/> has found out, as in poll(2); 0 for nothing.</summary>
    /// <param name="index">As <see cref="Add"/> has returned it.</param>
    public short Reported(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)(_count - 1));
        return _descriptors[index + 1].Reported;
    }

    /// <summary>Ends the <see cref="Wait"/> that runs, or else the next one. From any thread.</summary>
    /// <exception cref="ObjectDisposedException">Disposed.</exception>
    public void Wake()
    {
        var one = 1UL;
        _ = Libc.Write(_alarm, &one, sizeof(ulong));
    }

    /// <summary>Not while <see cref="Wait"/> runs.</summary>
    public void Dispose()
    {
        _alarm.Dispose();
        NativeMemory.Free(_descriptors);
        _descriptors = null;
    }

    private int Quieten()
    {
        ulong count;
        _ = Libc.Read(_alarm, &count, sizeof(ulong));
        return 1;
    }
}
