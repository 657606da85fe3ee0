using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

// The memory of a reduction: adds accepted slices while they are in the cache. A received slice is added where it was received if its
// sibling has arrived; else it waits in the place of the average, if that is free, or in a block. Contributions are never changed, so a
// worker still has its own when a round must be repeated.
internal sealed unsafe class Reducer : IDisposable
{
    private readonly VectorLayout _layout;
    private readonly RoundExchange _rules;
    private readonly SliceBlock.Pool _blocks;
    private readonly WireFormat _wire;
    private readonly SliceBlock _decoded;
    private readonly SliceBlock[] _places;
    private VectorBuffer?[] _own = [];
    private Cell[] _cells = [];
    private VectorBuffer? _average;
    private Round _round;
    private int _firstSlice;
    private long _spent;

    // A slice of a node's sum: nothing, part of an own contribution, or a block.
    private struct Cell
    {
        public bool IsOwn;
        public SliceBlock? Block;
    }

    public Reducer(RoundExchange rules, VectorLayout layout, WireFormat wire)
    {
        (_rules, _layout, _wire) = (rules, layout, wire);
        _blocks = new(layout);
        _decoded = _blocks.Rent();
        _places = [.. Enumerable.Range(0, layout.Slices).Select(_ => new SliceBlock())];
    }

    public WireFormat Wire => _wire;
    public TimeSpan Spent => Stopwatch.GetElapsedTime(0, _spent);

    public void Enter(long number, VectorBuffer average)
    {
        Clear();
        _rules.Enter(number);
        if (_rules.Current is not { } round) return;
        (_round, _average) = (round, average.Hold());
        _firstSlice = _layout.FirstSlice(round.Kind);
        var cells = round.MicroBatches * (_layout.Slices - _firstSlice);
        if (_cells.Length < cells) _cells = new Cell[cells];
        if (_own.Length < round.MicroBatches) _own = new VectorBuffer?[round.MicroBatches];
        for (var slice = _firstSlice; slice < _layout.Slices; slice++)
            _places[slice].MoveTo(average.Storage.Address + _layout.BytesOf(slice).Offset);
    }

    public void Clear()
    {
        if (_average is null) return;
        foreach (ref var own in _own.AsSpan())
        {
            own?.Release();
            own = null;
        }
        foreach (ref var cell in _cells.AsSpan())
        {
            if (cell.Block is { } block) Return(block);
            cell = default;
        }
        _average.Release();
        _average = null;
    }

    public void Arrive(int worker, TreeNode node, int slice, ReadOnlySpan<byte> payload)
    {
        var began = Stopwatch.GetTimestamp();
        var merges = _rules.Arrive(worker, node, slice, out var isRoot);
        fixed (byte* start = payload)
        {
            var received = _wire.SendsBfloat16(slice, _layout) ? Decode(payload) : start;
            if (merges.IsEmpty && !isRoot) Keep(received, node.First, slice);
            else Add(merges, received, node.First, slice, isRoot);
        }
        _spent += Stopwatch.GetTimestamp() - began;
    }

    /// <summary>Adds a slice of an own contribution, which must not change before the round is over.</summary>
    public void ArriveOwn(int worker, TreeNode node, int slice, VectorBuffer contribution)
    {
        var began = Stopwatch.GetTimestamp();
        var merges = _rules.Arrive(worker, node, slice, out var isRoot);
        _own[node.First] ??= contribution.Hold();
        CellOf(node.First, slice).IsOwn = true;
        Add(merges, Start(node.First, slice), node.First, slice, isRoot);
        _spent += Stopwatch.GetTimestamp() - began;
    }

    /// <param name="sum">The slice that has arrived, in its cell or where it was received.</param>
    private void Add(ReadOnlySpan<Merge> merges, byte* sum, int first, int slice, bool isRoot)
    {
        for (var i = 0; i < merges.Length; i++)
        {
            var (into, from) = merges[i];
            var left = into == first ? sum : Start(into, slice);
            var right = from == first ? sum : Start(from, slice);
            if (isRoot && i == merges.Length - 1)
            {
                Finish(slice, left, right);
                Free(into, slice);
                Free(from, slice);
                return;
            }
            var block = CellOf(into, slice).Block ?? CellOf(from, slice).Block ?? Rent(slice);
            if (CellOf(from, slice).Block != block) Free(from, slice);
            CellOf(from, slice) = default;
            CellOf(into, slice) = new() { Block = block };
            Add(left, right, block.Start, slice);
            sum = block.Start;
            first = into;
        }
        if (isRoot) Finish(slice, sum, null);
    }

    public void Dispose()
    {
        Clear();
        _blocks.Return(_decoded);
        _blocks.Dispose();
    }

    private byte* Start(int first, int slice)
    {
        ref var cell = ref CellOf(first, slice);
        return cell.IsOwn ? (byte*)_own[first]!.Storage.Address + _layout.BytesOf(slice).Offset : cell.Block!.Start;
    }

    private ref Cell CellOf(int first, int slice) => ref _cells[first * (_layout.Slices - _firstSlice) + slice - _firstSlice];

    private void Free(int first, int slice)
    {
        ref var cell = ref CellOf(first, slice);
        if (cell.Block is { } block) Return(block);
        cell = default;
    }

    private SliceBlock Rent(int slice)
    {
        if (!_places[slice].IsFree) return _blocks.Rent();
        _places[slice].IsFree = false;
        return _places[slice];
    }

    private void Return(SliceBlock block)
    {
        if (block.IsPlace) block.IsFree = true;
        else _blocks.Return(block);
    }

    // Until its sibling arrives.
    private void Keep(byte* received, int first, int slice)
    {
        var block = Rent(slice);
        NativeMemory.Copy(received, block.Start, (uint)_layout.BytesOf(slice).Length);
        CellOf(first, slice).Block = block;
    }

    // Divides the sum by the number of samples; tallies stay sums.
    private void Finish(int slice, byte* left, byte* right)
    {
        var target = _average!.SliceMemory(slice).Span;
        fixed (byte* average = target)
        {
            if (right is null) NativeMemory.Copy(left, average, (uint)target.Length);
            else Add(left, right, average, slice);
        }
        if (slice == _layout.TallySlice) return;
        var floats = MemoryMarshal.Cast<byte, float>(target);
        TensorPrimitives.Divide(floats, _round.Samples, floats);
        // Every replica must apply the values that the others receive.
        _wire.Round(floats);
    }

    private void Add(byte* left, byte* right, byte* sum, int slice)
    {
        var bytes = _layout.BytesOf(slice).Length;
        if (slice == _layout.TallySlice) TensorPrimitives.Add(Of<double>(left, bytes), Of<double>(right, bytes), Of<double>(sum, bytes));
        else TensorPrimitives.Add(Of<float>(left, bytes), Of<float>(right, bytes), Of<float>(sum, bytes));
    }

    private static Span<T> Of<T>(byte* start, int bytes) where T : unmanaged => new(start, bytes / sizeof(T));

    private byte* Decode(ReadOnlySpan<byte> payload)
    {
        Bfloat16.Decode(MemoryMarshal.Cast<byte, ushort>(payload), new(_decoded.Start, payload.Length / sizeof(ushort)));
        return _decoded.Start;
    }
}
