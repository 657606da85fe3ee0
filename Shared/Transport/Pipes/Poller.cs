using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Transport.Pipes;

/// <summary>Waits for events of several descriptors with poll(2). Used by one thread; only <see cref="Wake"/> is for every
/// thread.</summary>
internal sealed unsafe class Poller : IDisposable
{
    private readonly SafeFileHandle _alarm;
    private Libc.PollDescriptor* _descriptors;
    private int _capacity = 16;
    private int _count;

    public Poller()
    {
        _alarm = new(Libc.CreateEvent(0, Libc.EventCloseOnExec | Libc.EventNonBlocking), ownsHandle: true);
        if (_alarm.IsInvalid) throw new IOException($"no event descriptor: {Marshal.GetLastPInvokeErrorMessage()}");
        _descriptors = (Libc.PollDescriptor*)NativeMemory.Alloc((nuint)_capacity, (nuint)sizeof(Libc.PollDescriptor));
        _descriptors[0] = new() { Descriptor = (int)_alarm.DangerousGetHandle(), Events = Libc.PollIn };
        Clear();
    }

    public void Clear() => _count = 1;

    /// <param name="descriptor">Must stay open while <see cref="Wait"/> runs.</param>
    /// <returns>Its index for <see cref="Reported"/>: 0 for the first one after <see cref="Clear"/>, and so on.</returns>
    public int Add(int descriptor, short events)
    {
        ObjectDisposedException.ThrowIf(_descriptors == null, this);
        if (_count == _capacity)
        {
            _capacity *= 2;
            _descriptors = (Libc.PollDescriptor*)NativeMemory.Realloc(_descriptors, (nuint)(_capacity * sizeof(Libc.PollDescriptor)));
        }
        _descriptors[_count] = new() { Descriptor = descriptor, Events = events };
        return _count++ - 1;
    }

    /// <summary>Waits for an event, a call of <see cref="Wake"/> (an earlier one counts too), or the timeout.</summary>
    public int Wait(TimeSpan? timeout)
    {
        ObjectDisposedException.ThrowIf(_descriptors == null, this);
        var end = timeout is { } time ? Environment.TickCount64 + (long)Math.Ceiling(time.TotalMilliseconds) : long.MaxValue;
        while (true)
        {
            var left = end == long.MaxValue ? -1 : (int)Math.Clamp(end - Environment.TickCount64, 0, int.MaxValue);
            var ready = Libc.Poll(_descriptors, (nuint)_count, left);
            if (ready >= 0) return _descriptors[0].Reported == 0 ? ready : ready - ResetAlarm();
            if (Marshal.GetLastPInvokeError() != Libc.Interrupted)
                throw new IOException($"poll failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    public short Reported(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)(_count - 1));
        return _descriptors[index + 1].Reported;
    }

    /// <summary>Ends the current <see cref="Wait"/>, or else the next one. From any thread.</summary>
    public void Wake()
    {
        var one = 1UL;
        _ = Libc.Write(_alarm, &one, sizeof(ulong));
    }

    // Not while Wait runs.
    public void Dispose()
    {
        _alarm.Dispose();
        NativeMemory.Free(_descriptors);
        _descriptors = null;
    }

    private int ResetAlarm()
    {
        ulong count;
        _ = Libc.Read(_alarm, &count, sizeof(ulong));
        return 1;
    }
}
